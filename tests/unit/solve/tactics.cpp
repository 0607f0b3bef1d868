// One claim per test: this code, under these conditions, gets this shape. Bodies stand at
// 0x10000000 and every 0x40 behind; unless a test narrows it, stubs may stand 1 GiB below and above
// the code.

#include <catch2/catch.hpp>

#include "oracle.h"

using namespace punster;

namespace {

const Code nop5 = {0x0f, 0x1f, 0x44, 0x00, 0x00};
const Code mov_imm = {0xb8, 0x01, 0x00, 0x00, 0x00};            // mov eax, 1
const Code add_rax = {0x48, 0x01, 0xd8};                        // add rax, rbx
const Code push = {0x55};                                       // push rbp
const Code ret = {0xc3};                                        // ret
const Code load7 = {0x48, 0x8b, 0x05, 0x10, 0x20, 0x00, 0x00};  // mov rax, [rip + 0x2010]
const Code mov10 = {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8};        // mov rax, imm64

Solution solved(Scene& scene) {
  auto solution = scene.solve();
  CHECK(fault_in(scene, solution) == "");
  return solution;
}

}  // namespace

TEST_CASE("B1: five bytes become a jump to the body") {
  Scene scene(0x100000);
  scene.site(mov_imm);
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::B1);
  CHECK(solution.decisions[0].target() == scene.first_body);
  CHECK(solution.stubs.empty());
  CHECK(scene.bytes_of(solution, 0) == Code{0xe9, 0xfb, 0xff, 0xef, 0x0f});
}

TEST_CASE("B1: the tail of a longer instruction keeps its bytes") {
  Scene scene;
  scene.site(mov10);
  const auto now = scene.bytes_of(solved(scene), 0);
  CHECK(Code(now.begin() + 5, now.end()) == Code(mov10.begin() + 5, mov10.end()));
}

TEST_CASE("B2: a jump over three bytes borrows two that stay as they are") {
  Scene scene(0x100000);
  scene.site(add_rax).data({0x34, 0x22});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::B2);
  CHECK(solution.decisions[0].borrowed == 2);
  // E9 ?? ?? 34 22: somewhere in [0x100005 + 0x22340000, + 0x10000).
  CHECK(solution.decisions[0].target() >= 0x22440005);
  CHECK(solution.decisions[0].target() < 0x22450005);
  REQUIRE(solution.stubs.size() == 1);
  CHECK(solution.stubs[0].to == scene.first_body);
}

TEST_CASE("B2: no stub when the pun reaches the body itself") {
  Scene scene(0x100000);
  scene.first_body = 0x22441234;
  scene.site(add_rax).data({0x34, 0x22});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].target() == 0x22441234);
  CHECK(solution.stubs.empty());
}

TEST_CASE("T1: a prefix moves the rel32 on to a better top byte") {
  Scene scene(0x100000);
  // Without a prefix 0x50 is on top, which leads 1.25 GiB up, out of the space; with one it is
  // 0x22.
  scene.room = {{0x20000000, 0x30000000}};
  scene.site(add_rax).data({0x34, 0x50, 0x22});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::T1);
  CHECK(solution.decisions[0].means == means_prefix);
  CHECK(solution.decisions[0].borrowed == 3);
  CHECK(scene.bytes_of(solution, 0)[1] == 0xe9);
}

TEST_CASE("T2: a successor that nobody patches is evicted for its bytes") {
  Scene scene(0x100000);
  scene.room = {{0x200000, 0x8000000}};
  scene.site(add_rax).insn({0x90, 0x90, 0x90, 0x90, 0x90}).data({0x90});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::T2);
  CHECK((solution.decisions[0].means & means_eviction) != 0);
  REQUIRE(solution.evictions.size() == 1);
  CHECK(solution.evictions[0].insn == 1);
  CHECK(solution.evictions[0].for_site == 0);
  CHECK(solution.evictions[0].body == scene.first_evicted_body + 64);
}

TEST_CASE("T2: what cannot be relocated is not evicted") {
  Scene scene(0x100000);
  scene.room = {{0x200000, 0x8000000}};
  scene.site(add_rax).insn({0x90, 0x90, 0x90, 0x90, 0x90}).data({0x90});
  scene.unmovable = {1};
  const auto solution = solved(scene);
  CHECK(solution.evictions.empty());
  CHECK(solution.decisions[0].tactic == Tactic::B0);
}

TEST_CASE("a follower that is a site itself is chosen together with the site before") {
  Scene scene(0x100000);
  scene.room = {{0x20000000, 0x30000000}};
  scene.site(add_rax).site(add_rax).site(add_rax).data({0x20, 0x21, 0x22, 0x23});
  const auto solution = solved(scene);
  for (const auto& decision : solution.decisions) {
    CHECK(decision.tactic != Tactic::none);
    CHECK(decision.tactic != Tactic::B0);
  }
  CHECK(solution.evictions.empty());
}

TEST_CASE("T3: a landing pad in padding") {
  Scene scene(0x100000);
  // The pun itself leads nowhere: F4 C3 as upper bytes is below the image.
  scene.room = {{0x20000000, 0x30000000}};
  scene.site({0x31, 0xc0}).data({0x90, 0xf4, 0xc3, 0xf4, 0xc3}).padding(8);
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::T3);
  CHECK(solution.decisions[0].means == means_pad_in_padding);
  CHECK(scene.bytes_of(solution, 0) == Code{0xeb, 0x05});
  CHECK(scene.byte_at(solution, 0x100007) == 0xe9);
}

TEST_CASE("T3: a landing pad in the dead tail of a patched instruction") {
  Scene scene(0x100000);
  scene.room = {{0x20000000, 0x30000000}};
  scene.site({0x31, 0xc0}).data({0x90, 0xf4, 0xc3, 0xf4, 0xc3}).site(mov10).data({0xf4});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::T3);
  CHECK(solution.decisions[0].means == means_pad_in_tail);
  CHECK(solution.decisions[1].tactic == Tactic::B1);
  CHECK(scene.byte_at(solution, 0x10000c) == 0xe9);
}

TEST_CASE("T3: a landing pad in the tail of an evicted neighbour") {
  Scene scene(0x100000);
  scene.room = {{0x20000000, 0x30000000}};
  scene.site({0x31, 0xc0}).data({0x90, 0xf4, 0xc3, 0xf4, 0xc3}).insn(mov10).data({0xf4});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::T3);
  CHECK(solution.decisions[0].means == (means_pad_in_tail | means_eviction));
  REQUIRE(solution.evictions.size() == 1);
  CHECK(solution.evictions[0].insn == 1);
}

TEST_CASE("T3: the rel8 of one byte is the follower's first byte") {
  Scene scene(0x100000);
  scene.room = {{0x20000000, 0x30000000}};
  // EB 08: over to the padding.
  scene.site(push).data({0x08, 0xf4, 0xf4, 0xf4, 0xf4, 0xf4, 0xf4, 0xf4, 0xf4}).padding(8);
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::T3);
  CHECK(solution.decisions[0].borrowed == 1);
  CHECK(scene.bytes_of(solution, 0) == Code{0xeb});
}

TEST_CASE("C1: a call keeps its end") {
  Scene scene;
  scene.site({0xe8, 1, 2, 3, 4}).site({0xff, 0x15, 1, 2, 3, 4});
  for (auto& site : scene.sites) site.retarget_call = true;
  const auto solution = solved(scene);
  for (const auto& decision : solution.decisions) CHECK(decision.tactic == Tactic::C1);
  CHECK(scene.bytes_of(solution, 0)[0] == 0xe8);
  CHECK(scene.bytes_of(solution, 1)[0] == 0x2e);
  CHECK(scene.bytes_of(solution, 1)[1] == 0xe8);
}

TEST_CASE("C1: no trap and no pad for a call, whatever stands before it") {
  Scene scene;
  scene.room = {{0x20000000, 0x20001000}};
  for (int i = 0; i < 40; ++i) scene.site(push).site({0xe8, 1, 2, 3, 4});
  for (auto& site : scene.sites) site.retarget_call = scene.insns[site.insn].length() == 5;
  const auto solution = solved(scene);
  for (std::size_t k = 1; k < solution.decisions.size(); k += 2)
    CHECK(solution.decisions[k].tactic == Tactic::C1);
}

TEST_CASE("T3: a patched follower takes the prefix that leads to a pad") {
  Scene scene(0x100000);
  scene.room = {{0x20000000, 0x30000000}};
  scene.tactics({Tactic::B1, Tactic::T1, Tactic::T3});
  scene.site(push).site(mov10).data(Code(0x1e, 0xf4)).padding(0x30).data({0xf4});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::T3);
  CHECK(solution.decisions[1].tactic == Tactic::T1);
}

TEST_CASE("T3: no pad in the other region, however near its number is") {
  Scene scene(0x100000);
  scene.room = {{0x20000000, 0x30000000}};
  scene.site({0x31, 0xc0}).data({0x90, 0xf4, 0xc3, 0xf4, 0xc3}).region(0x200000).padding(64);
  CHECK(solved(scene).decisions[0].tactic == Tactic::B0);
}

TEST_CASE("padding behind an instruction is written like its own bytes") {
  Scene scene;
  scene.site(ret).padding(4);
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::B2);
  CHECK(solution.decisions[0].means == means_pad_in_padding);
  CHECK(solution.decisions[0].target() == scene.first_body);
}

TEST_CASE("B0: two bytes become ud2, the others stay") {
  Scene scene;
  scene.room.clear();
  scene.site(add_rax).data({0x90, 0x90, 0x90});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::B0);
  CHECK(scene.bytes_of(solution, 0) == Code{0x0f, 0x0b, 0xd8});
}

TEST_CASE("B0: one byte becomes an undefined opcode") {
  Scene scene;
  scene.room.clear();
  scene.site(push).data({0x90, 0x90, 0x90, 0x90});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::B0);
  CHECK(scene.bytes_of(solution, 0) == Code{0x06});
}

TEST_CASE("a site at the very end of the code may not borrow what is not there") {
  Scene scene;
  scene.site(add_rax);
  CHECK(solved(scene).decisions[0].tactic == Tactic::B0);
}

TEST_CASE("without traps a site that nothing fits stays as it was") {
  Scene scene;
  scene.room.clear();
  scene.options.traps = false;
  scene.site(add_rax).data({0x90, 0x90, 0x90});
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::none);
  CHECK(scene.bytes_of(solution, 0) == add_rax);
}

TEST_CASE("I0: a replacement stands as it was given, and its neighbour puns around it") {
  Scene scene(0x100000);
  scene.site(add_rax).replaced({0x31, 0xc0, 0x90}, "\x34\x22\x90");
  const auto solution = solved(scene);
  CHECK(solution.decisions[1].tactic == Tactic::I0);
  CHECK(scene.bytes_of(solution, 1) == Code{0x34, 0x22, 0x90});
  CHECK(solution.decisions[0].tactic == Tactic::B2);
  CHECK(solution.decisions[0].target() >> 16 == 0x2244);
}

TEST_CASE("only the tactics that are allowed are used") {
  const auto decide = [](std::initializer_list<Tactic> list) {
    Scene scene(0x100000);
    scene.room = {{0x200000, 0x8000000}};
    scene.tactics(list).site(add_rax).insn(nop5).data({0x94}).padding(16).site(mov_imm);
    const auto solution = solved(scene);
    return std::pair(solution.decisions[0].tactic, solution.decisions[1].tactic);
  };
  CHECK(decide({Tactic::B1}) == std::pair(Tactic::none, Tactic::B1));
  CHECK(decide({Tactic::T2}) == std::pair(Tactic::T2, Tactic::none));
  CHECK(decide({Tactic::T3}) == std::pair(Tactic::T3, Tactic::T3));
  CHECK(decide({Tactic::B0}) == std::pair(Tactic::B0, Tactic::B0));
  CHECK(decide({}) == std::pair(Tactic::none, Tactic::none));
}

TEST_CASE("T2: where stubs gather, as many followers are evicted as it takes") {
  const auto decide = [](unsigned lookahead) {
    Scene scene;
    scene.arenas = scene.most_arenas = 0;
    scene.room = {{-0x40000000, 0}, {0x200000, 0x8000000}};
    // The displacements that lead there have 00 or E9 on top, and E9 or anything below.
    scene.gatherings = {{0x100000 + 0xe90000, 0x100000 + 0xfb0000},
                        {0x100000 - 0x17170000, 0x100000 - 0x17000000}};
    scene.options.lookahead = lookahead;
    scene.tactics({Tactic::B2, Tactic::T2}).site({0x75, 0x80});
    for (int n = 0; n < 9; ++n) scene.insn({0x39, 0xc7, 0x90});
    scene.insn(mov_imm).data({0x90, 0x90, 0x90, 0x90});
    const auto solution = solved(scene);
    return std::pair(solution.decisions[0].tactic, solution.evictions.size());
  };
  CHECK(decide(SolverOptions{}.lookahead) == std::pair(Tactic::T2, std::size_t{10}));
  CHECK(decide(4) == std::pair(Tactic::none, std::size_t{0}));
}

TEST_CASE("tactics are parsed by the names they print") {
  for (int t = 1; t < tactic_count; ++t)
    CHECK(parse_tactic(to_string(static_cast<Tactic>(t))) == static_cast<Tactic>(t));
  CHECK_FALSE(parse_tactic("").has_value());
  CHECK_FALSE(parse_tactic("b1").has_value());
}

TEST_CASE("a cancelled solver says so") {
  Scene scene;
  scene.site(load7);
  std::atomic<bool> cancelled{true};
  scene.options.cancelled = &cancelled;
  const CodeRegion region{Vaddr{0x100000}, scene.regions[0].bytes};
  const auto solution =
      solve({{region}, scene.insns, {}, scene.sites, {scene.room, 10}, &scene}, scene.options);
  REQUIRE(solution.has_error());
  CHECK(solution.error().kind == "cancelled");
}

TEST_CASE("B0: a site that may be data is a trap, and lends nobody its other bytes") {
  Scene scene;
  // The push has no other way out than a pad; the long instruction behind it would have room.
  scene.room = {};
  scene.site(push).site(mov10);
  scene.sites.back().trap_only = true;
  const auto solution = solved(scene);
  CHECK(solution.decisions[1].tactic == Tactic::B0);
  Code expected = mov10;
  expected[0] = 0x0f;
  expected[1] = 0x0b;
  CHECK(scene.bytes_of(solution, 1) == expected);
}

TEST_CASE("a site that may only be a trap stays as it is where traps are not allowed") {
  Scene scene;
  scene.site(mov10);
  scene.sites.back().trap_only = true;
  scene.options.traps = false;
  const auto solution = solved(scene);
  CHECK(solution.decisions[0].tactic == Tactic::none);
  CHECK(scene.bytes_of(solution, 0) == mov10);
}
