// Thousands of random scenes against the oracle: whatever the lengths, bytes, sites, padding, data,
// regions and however narrow the address space, a patched instruction leads to its body and nothing
// else changes.

#include <catch2/catch.hpp>
#include <random>

#include "oracle.h"

using namespace punster;

namespace {

class RandomScene {
 public:
  explicit RandomScene(unsigned seed) : random_(seed) {}

  Scene make() {
    const std::int64_t base = std::int64_t{0x10000000} + pick(0x3000);
    Scene scene(base);
    scene.first_body = base + 0x8000000;
    scene.first_evicted_body = base + 0xa000000;
    const int percent_sites = pick(4) == 0 ? 100 : static_cast<int>(pick(100));
    const unsigned longest = pick(3) == 0 ? 3 : 15;
    fill(scene, percent_sites, longest);
    while (pick(4) == 0) {
      const auto& last = scene.regions.back();
      scene.region(last.address + static_cast<std::int64_t>(last.bytes.size()) + 1 + pick(300));
      fill(scene, percent_sites, longest);
    }
    address_space(scene, base);
    if (pick(3) == 0) scene.options.tactics = static_cast<std::uint16_t>(pick(0x200) | 2);
    scene.options.traps = pick(2) == 0;
    ideas(scene);
    if (!scene.options.allows(Tactic::C1))
      for (auto& site : scene.sites) site.retarget_call = false;
    return scene;
  }

 private:
  std::uint32_t pick(std::uint32_t n) {
    return std::uniform_int_distribution<std::uint32_t>(0, n - 1)(random_);
  }

  Code bytes(std::size_t count) {
    // Small values lead near the image, E9, EB and prefixes are what followers show when patched.
    static constexpr std::uint8_t liked[] = {0x00, 0x01, 0xff, 0x0f, 0x2e,
                                             0x48, 0xe8, 0x05, 0x10, 0x7f};
    Code code(count);
    for (auto& byte : code)
      byte = pick(2) ? liked[pick(std::size(liked))] : static_cast<std::uint8_t>(pick(256));
    return code;
  }

  void fill(Scene& scene, int percent_sites, unsigned longest) {
    for (auto count = 1 + pick(40); count > 0; --count) {
      const auto kind = pick(20);
      if (kind == 0) {
        scene.padding(1 + pick(15));
      } else if (kind == 1) {
        scene.data(bytes(1 + pick(15)));
      } else {
        const auto length = 1 + pick(longest);
        if (static_cast<int>(pick(100)) >= percent_sites)
          scene.insn(bytes(length));
        else if (pick(30) == 0)
          scene.replaced(bytes(length), std::string(length, '\x90'));
        else
          scene.site(bytes(length));
        if (!scene.sites.empty() && scene.sites.back().insn + 1 == scene.insns.size() &&
            !scene.sites.back().replace() && length >= 5 && length <= 8 && pick(3) == 0)
          scene.sites.back().retarget_call = true;
        if (pick(10) == 0)
          scene.unmovable.insert(static_cast<std::uint32_t>(scene.insns.size() - 1));
      }
    }
  }

  void address_space(Scene& scene, std::int64_t base) {
    scene.arenas = pick(3) == 0 ? pick(4) : 1000;
    scene.most_arenas = pick(3) == 0 ? pick(4) : 1000;
    const auto side = pick(3);
    std::vector<TargetRange> room;
    const std::int64_t gap = std::int64_t{pick(3) == 0 ? 0x70000000u : pick(0x20000000)};
    if (side != 0) {
      const std::int64_t hi = base - 0x10000 - gap;
      room.push_back({hi - size(), hi});
    }
    if (side != 1) {
      const std::int64_t lo = base + 0x10000 + (pick(2) ? gap : 0);
      // The bodies stand in the way.
      const std::int64_t bodies = base + 0x8000000, end = base + 0xc000000, hi = lo + size();
      if (lo < bodies) room.push_back({lo, std::min(hi, bodies)});
      if (hi > end) room.push_back({std::max(lo, end), hi});
    }
    if (pick(10) == 0 && room.size() > 1) room.erase(room.begin());
    scene.room = room;
    if (pick(60) == 0)
      for (const std::int64_t top : {-2, 0, 0x2e}) {
        const std::int64_t lo = (base + top * (1 << 24) + 0xe90000) & ~std::int64_t{4095};
        scene.gatherings.push_back({lo, lo + 0x20000});
      }
  }

  /// Which of the solver's ideas are turned off.
  void ideas(Scene& scene) {
    scene.options.joint = pick(4) != 0;
    scene.options.pads = pick(4) != 0;
    scene.options.lookahead = pick(2) ? 5 : pick(6);
    scene.options.far_first = pick(2) == 0;
    scene.stubs = pick(8) != 0;
  }

  std::int64_t size() {
    switch (pick(4)) {
      case 0:
        return 0x1000 + pick(0x8000);
      case 1:
        return 0x10000 + pick(0x1000000);
      default:
        return 0x10000000 + std::int64_t{pick(0x70000000)};
    }
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("random scenes satisfy the oracle") {
  std::map<Tactic, unsigned> seen;
  unsigned evictions = 0;
  for (unsigned seed = 1; seed <= 6000; ++seed) {
    INFO("seed " << seed);
    auto scene = RandomScene(seed).make();
    const auto solution = scene.solve();
    const auto fault = fault_in(scene, solution);
    CHECK(fault == "");
    for (const auto& decision : solution.decisions) ++seen[decision.tactic];
    evictions += static_cast<unsigned>(solution.evictions.size());
  }
  // Otherwise these scenes would prove little.
  for (const auto tactic : {Tactic::none, Tactic::I0, Tactic::B1, Tactic::B2, Tactic::T1,
                            Tactic::T2, Tactic::T3, Tactic::B0})
    CHECK(seen[tactic] > 200);
  CHECK(evictions > 200);
}

TEST_CASE("the same scene has the same solution, with one thread and with two") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    auto one = RandomScene(seed).make(), other = RandomScene(seed).make();
    other.options.threads = 2;
    const auto a = one.solve(), b = other.solve();
    CHECK(a.code == b.code);
    REQUIRE(a.stubs.size() == b.stubs.size());
    for (std::size_t i = 0; i < a.stubs.size(); ++i) {
      CHECK(a.stubs[i].at == b.stubs[i].at);
      CHECK(a.stubs[i].to == b.stubs[i].to);
    }
  }
}
