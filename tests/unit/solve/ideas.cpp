// Each idea of the solver can be turned off, and what it alone can do is then not done.

#include <catch2/catch.hpp>

#include "oracle.h"

using namespace punster;

namespace {

Solution sound(Scene& scene) {
  auto solution = scene.solve();
  REQUIRE(fault_in(scene, solution) == "");
  return solution;
}

/// A site of one byte, and behind it a site of two that is itself a pun: only the two together can
/// be given jumps, because E9 as a top byte leads nowhere here.
Scene short_neighbours() {
  Scene scene;
  scene.room = {{0x20000000, 0x60000000}};
  for (int i = 0; i < 6; ++i) scene.site({0x50}).site({0x89, 0xc3});
  scene.site({0x48, 0x8d, 0x44, 0x24, 0x10});
  return scene;
}

unsigned patched(const Solution& solution) {
  unsigned count = 0;
  for (const auto& decision : solution.decisions)
    count += decision.tactic != Tactic::none && decision.tactic != Tactic::B0;
  return count;
}

}  // namespace

TEST_CASE("joint: sites by themselves leave their neighbours less") {
  auto scene = short_neighbours();
  const auto together = patched(sound(scene));
  scene.options.joint = false;
  CHECK(patched(sound(scene)) < together);
}

TEST_CASE("lookahead: no follower is placed anew, nor evicted, beyond it") {
  // The top byte of the site's displacement is 0xf3: it leads nowhere unless the follower moves.
  Scene scene;
  scene.site({0x89, 0xc3}).insn({0x90}).insn({0x90}).insn({0xf3, 0x0f, 0x10, 0x00});
  scene.insn({0x48, 0x8d, 0x44, 0x24, 0x10});
  scene.room = {{0x20000000, 0x60000000}};
  scene.options.traps = scene.options.pads = false;
  CHECK(sound(scene).decisions[0].tactic == Tactic::T2);
  scene.options.lookahead = 0;
  const auto alone = sound(scene);
  CHECK(alone.decisions[0].tactic == Tactic::none);
  CHECK(alone.evictions.empty());
}

TEST_CASE("pads: as if T3 were not among the tactics") {
  Scene scene;
  scene.site({0xeb, 0x10}).data({0xff, 0xff, 0xff, 0xff}).padding(8);
  CHECK(sound(scene).decisions[0].tactic == Tactic::T3);
  scene.options.pads = false;
  CHECK(sound(scene).decisions[0].tactic == Tactic::B0);
}

TEST_CASE("stubs: without them a jump reaches its body or there is none") {
  Scene scene;
  scene.site({0x48, 0x8d, 0x44, 0x24, 0x10}).site({0x89, 0xc3}).insn({0x0f, 0x1f, 0x20, 0x00});
  CHECK(sound(scene).decisions[1].tactic == Tactic::B2);
  scene.stubs = false;
  const auto direct = sound(scene);
  CHECK(direct.stubs.empty());
  CHECK(direct.decisions[0].tactic == Tactic::B1);
  CHECK(direct.decisions[1].tactic == Tactic::B0);
}
