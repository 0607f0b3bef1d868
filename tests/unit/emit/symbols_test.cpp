// The symbols that trampolines get, re-read by LIEF and binutils.

#include <LIEF/ELF.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

class OneBody : public BodyList {
 public:
  OneBody(Vaddr original, Vaddr body) : place_{original, 5, body, 10, 5, false} {}
  [[nodiscard]] std::size_t size() const override { return 1; }
  [[nodiscard]] BodyPlace at(std::size_t) const override { return place_; }
  [[nodiscard]] std::size_t scattered() const override { return 0; }
  [[nodiscard]] BodyPlace scattered_at(std::size_t) const override { return {}; }

 private:
  BodyPlace place_;
};

struct Rewritten {
  Workshop shop;
  std::filesystem::path original, patched;
  Vaddr body;
  EmitResult result;

  /// `strip`: whether the original is stripped before it is rewritten. `whose`: the function that
  /// the body is said to belong to.
  explicit Rewritten(const std::string& flags, bool strip = false,
                     const std::string& whose = "site") {
    original = shop.compile("original", program_source(), flags);
    const auto site = symbol(original, "site"), function = symbol(original, whose);
    if (strip) run("strip " + original.string());
    PlanMaker maker(original);
    body = above(maker.view, 0x1000);
    maker.answer(site, body, 42);
    const OneBody bodies(function, body);
    maker.plan.bodies = &bodies;
    patched = shop.file("patched");
    result = emit_to(maker, patched);
  }
};

const LIEF::ELF::Symbol* find(LIEF::ELF::Binary& binary, const std::string& suffix) {
  for (auto& s : binary.static_symbols())
    if (const auto& name = s.name();
        name.size() >= suffix.size() &&
        name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0)
      return &s;
  return nullptr;
}

std::string section_line(const std::filesystem::path& file, const std::string& name) {
  return run("readelf -SW " + file.string() + " | grep ' " + name + " '").output;
}

}  // namespace

TEST_CASE("a function's bodies have its name, in a section of their own", "[emit][symbols]") {
  for (const std::string flags : {"-pie -fPIE", "-no-pie", "-static", "-static-pie"}) {
    INFO(flags);
    const Rewritten test(flags);
    const auto binary = LIEF::ELF::Parser::parse(test.patched.string());
    REQUIRE(binary);
    const auto* found = find(*binary, "answer.trampolines");
    if (!found) found = find(*binary, "site.trampolines");
    REQUIRE(found);
    CHECK(found->value() == test.body.value);
    CHECK(found->size() == 10);
    const auto& section = binary->sections()[found->shndx()];
    CHECK(section.name() == ".punster.bodies");
    CHECK(section.virtual_address() <= test.body.value);
    CHECK(test.result.unwind.symbols == 1);
    CHECK(run("PUNSTER_STRICT=1 " + test.patched.string()).output == "42 1\n");
  }
}

TEST_CASE("old symbols keep their indices", "[emit][symbols]") {
  const Rewritten test("-Wl,--emit-relocs");
  const auto before = LIEF::ELF::Parser::parse(test.original.string());
  const auto after = LIEF::ELF::Parser::parse(test.patched.string());
  const auto old = before->static_symbols(), now = after->static_symbols();
  REQUIRE(now.size() == old.size() + 1);
  for (std::size_t i = 0; i < old.size(); ++i) {
    CHECK(now[i].name() == old[i].name());
    CHECK(now[i].value() == old[i].value());
    CHECK(now[i].binding() == old[i].binding());
  }
}

TEST_CASE("a stripped file gets a table, with the functions of its dynamic one",
          "[emit][symbols]") {
  const Rewritten program("-pie -fPIE -rdynamic", true);
  const auto listed = run("nm " + program.patched.string()).output;
  CHECK(listed.find(" T main\n") != std::string::npos);
  CHECK(listed.find(".trampolines\n") != std::string::npos);
  CHECK(listed.find("printf") == std::string::npos);
  const auto nameless = run("nm " + Rewritten("-pie -fPIE", true, "main").patched.string()).output;
  CHECK(nameless.find(" sub_0x") != std::string::npos);
}

TEST_CASE("strip takes symbols and rows away, and the file still runs", "[emit][symbols]") {
  const Rewritten test("-g");
  for (const std::string tool : {"strip -o ", "strip -g -o ", "objcopy --strip-unneeded "}) {
    const auto out = test.shop.file("stripped").string(), in = test.patched.string();
    CHECK(run(tool + (tool.starts_with("strip") ? out + " " + in : in + " " + out)).errors == "");
    const auto outcome = run("PUNSTER_STRICT=1 " + out);
    CHECK(outcome.errors == "");
    CHECK(outcome.output == "42 1\n");
    CHECK(section_line(out, ".debug_frame") == "");
    std::filesystem::remove(out);
  }
}

TEST_CASE("gdb and readelf read the tables without a complaint", "[emit][symbols]") {
  const Rewritten test("-pie -fPIE");
  CHECK(run("readelf -aW -wF " + test.patched.string() + " > /dev/null").errors == "");
  if (run("command -v gdb").status != 0) return;
  const auto asked = run("gdb -nx -batch -ex 'info symbol " + std::to_string(test.body.value) +
                         "' " + test.patched.string());
  CHECK(asked.errors == "");
  CHECK(asked.output.find("trampolines") != std::string::npos);
}

}  // namespace punster
