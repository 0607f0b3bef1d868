// Which layout a plan gets: by what it needs, and by how many runs of pages it has.

#include "backend/session/layouts.h"

#include <catch2/catch.hpp>

using namespace punster;

namespace {

const StubBodies no_copies;

constexpr std::int64_t page = 4096;

/// A page of bodies at 0x100000, and a stub in each of these pages.
struct Scene {
  PageStore bodies;
  Solution solution;

  explicit Scene(const std::vector<std::int64_t>& stub_pages) {
    bodies.put(0x100 * page, std::vector<std::uint8_t>{0xc3});
    std::int64_t within = 0;  // never the same place in the ring
    for (const auto number : stub_pages)
      solution.stubs.push_back({number * page + (within += 0x10), 0x100 * page});
  }
  [[nodiscard]] Result<ChosenLayout> choose(const LayoutOptions& options, std::size_t most_runs,
                                            std::string obstacle = "") const {
    const NewMemory memory(bodies, solution, no_copies, 64, {}, {});
    return choose_layout(options, memory, most_runs, std::move(obstacle));
  }
};

LayoutOptions mode(LayoutMode mode, bool share = false) {
  return {mode, 0, share};
}

std::size_t runs(const ChosenLayout& chosen) {
  return chosen.pages.mappings.size();
}
std::size_t pages(const ChosenLayout& chosen) {
  return chosen.pages.pages.size() / page;
}

}  // namespace

TEST_CASE("program headers map what they suffice for, each page once in the file", "[layouts]") {
  const Scene scene({0x200, 0x201, 0x300});
  const auto chosen = scene.choose(mode(LayoutMode::automatic), 3).value();
  CHECK(chosen.layout == Layout::headers);
  CHECK(runs(chosen) == 3);
  CHECK(pages(chosen) == 4);
}

TEST_CASE("runs are joined by fillers until there are program headers enough", "[layouts]") {
  const Scene scene({0x200, 0x204, 0x240});
  const auto three = scene.choose(mode(LayoutMode::headers), 3).value();
  CHECK(runs(three) == 3);
  CHECK(pages(three) == 1 + 5 + 1);
  const auto two = scene.choose(mode(LayoutMode::headers), 2).value();
  CHECK(runs(two) == 2);
  CHECK(pages(two) == 1 + 0x41);
}

TEST_CASE("what cannot be joined is the runtime's, or an error that names a way out", "[layouts]") {
  const Scene scene({0x200, 0x40000, 0x80000});
  const auto chosen = scene.choose(mode(LayoutMode::automatic), 3).value();
  CHECK(chosen.layout == Layout::loader);
  CHECK(chosen.reason.find("4 program headers") != std::string::npos);
  const auto refused = scene.choose(mode(LayoutMode::headers), 3);
  REQUIRE(refused.has_error());
  CHECK(refused.error().kind == "layout");
  CHECK(refused.error().message.find("--max-headers") != std::string::npos);
  CHECK(refused.error().message.find("--layout=auto") != std::string::npos);
}

TEST_CASE("fillers must not make the file larger than the runtime would", "[layouts]") {
  const Scene scene({0x200, 0x300});
  CHECK(scene.choose(mode(LayoutMode::automatic), 2).value().layout == Layout::loader);
  CHECK(scene.choose(mode(LayoutMode::headers), 2).value().layout == Layout::headers);
}

TEST_CASE("shared pages cost no more however far apart they are mapped", "[layouts]") {
  const Scene scene({0x200, 0x210, 0x300});
  const auto chosen = scene.choose(mode(LayoutMode::automatic, true), 4).value();
  CHECK(chosen.layout == Layout::headers);
  CHECK(pages(chosen) <= 65);
  // 0x200 and 0x210 are one run: the filler shows pages of the ring.
  CHECK(runs(chosen) == 3);
}

TEST_CASE("an obstacle leaves the runtime, and is the reason", "[layouts]") {
  const Scene scene({0x200});
  const auto chosen = scene.choose(mode(LayoutMode::automatic), 9, "there are traps").value();
  CHECK(chosen.layout == Layout::loader);
  CHECK(chosen.reason == "there are traps");
  CHECK(scene.choose(mode(LayoutMode::headers), 9, "there are traps").has_error());
  CHECK(scene.choose(mode(LayoutMode::loader), 9).value().layout == Layout::loader);
}

TEST_CASE("a stub over the end of a page takes both", "[layouts]") {
  Scene scene({0x200});
  scene.solution.stubs.push_back({0x201 * page - 2, 0x100 * page});
  const auto chosen = scene.choose(mode(LayoutMode::headers), 2).value();
  CHECK(pages(chosen) == 3);
}

TEST_CASE("the lowest page counts signed", "[layouts]") {
  const Scene below({-5, 7});
  CHECK(NewMemory(below.bodies, below.solution, no_copies, 64, {}, {}).lowest_page() == -5);
  const PageStore none;
  const Solution nothing;
  CHECK(NewMemory(none, nothing, no_copies, 64, {}, {}).lowest_page() == std::nullopt);
}
