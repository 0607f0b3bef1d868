// Where targets may stand, and how stubs share the pages they stand on.

#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "backend/solve/target_pages.h"
#include "oracle.h"

using namespace punster;

namespace {

constexpr std::int64_t base = 0x20000000;
const AddressSpace space{{{base, base + 0x100000}}, 10};

}  // namespace

TEST_CASE("with targets above only, a top byte of 80 and more is refused") {
  for (const int top : {0x00, 0x10, 0x7f, 0x80, 0xe9, 0xff}) {
    INFO("top byte " << top);
    Scene scene(0x10000000);
    scene.first_body = 0x18000000;
    scene.room = {{0x10010000, 0x18000000}, {0x18010000, 0xa0000000}};
    scene.tactics({Tactic::B2})
        .site({0x48, 0x01, 0xd8})
        .data({0x20, static_cast<std::uint8_t>(top & 0xff)});
    const auto solution = scene.solve();
    CHECK(fault_in(scene, solution) == "");
    CHECK((solution.decisions[0].tactic == Tactic::B2) == (top < 0x80));
  }
}

TEST_CASE("with targets on both sides, every top byte leads somewhere") {
  for (int top = 0; top < 256; ++top) {
    INFO("top byte " << top);
    Scene scene(0x10000000);
    scene.room = {{-0x80000000ll, 0xff00000}, {0x10010000, 0x18000000}, {0x18010000, 0xa0000000}};
    scene.first_body = 0x18000000;
    scene.tactics({Tactic::B2})
        .site({0x48, 0x01, 0xd8})
        .data({0x20, static_cast<std::uint8_t>(top & 0xff)});
    const auto solution = scene.solve();
    CHECK(fault_in(scene, solution) == "");
    // The stub must also reach its body, 128 MiB above the code.
    CHECK((solution.decisions[0].tactic == Tactic::B2) == (top < 0x80 || top > 0x87));
  }
}

TEST_CASE("a stub may straddle two pages when its address is determined") {
  Scene scene(0x100000);
  scene.first_body = 0x22400000;
  // One byte, then four fixed ones: E9 F9 AF 34 22 at 0x100000 leads to 0x2244affe.
  scene.tactics({Tactic::B2}).site({0x90}).data({0xf9, 0xaf, 0x34, 0x22});
  const auto solution = scene.solve();
  CHECK(fault_in(scene, solution) == "");
  REQUIRE(solution.stubs.size() == 1);
  CHECK(solution.stubs[0].at == 0x2244affe);
}

TEST_CASE("no stub straddles the end of the space") {
  Scene scene(0x100000);
  scene.first_body = 0x22400000;
  scene.room = {{0x20000000, 0x2244b000}};
  scene.tactics({Tactic::B2}).site({0x90}).data({0xf9, 0xaf, 0x34, 0x22});
  CHECK(scene.solve().decisions[0].tactic == Tactic::none);
}

TEST_CASE("two sites that lead to the same addresses get stubs of their own") {
  Scene scene(0x100000);
  scene.room = {{0x22000000, 0x22800000}};
  scene.tactics({Tactic::B2});
  for (int i = 0; i < 60; ++i) scene.site({0x31, 0xc0}).data({0x00, 0x34, 0x22});
  const auto solution = scene.solve();
  CHECK(fault_in(scene, solution) == "");
  CHECK(solution.stubs.size() ==
        60);  // 256 addresses each, most of them shared with the neighbours
}

TEST_CASE("pages: a stub's five bytes are taken, and free again when released") {
  TargetPages pages(space);
  CHECK(pages.can_take(base + 100, Opening::anywhere));
  CHECK_FALSE(pages.can_take(base + 100, Opening::none));
  pages.take(base + 100);
  for (std::int64_t a = base + 90; a < base + 110; ++a)
    CHECK(pages.can_take(a, Opening::none) == (a <= base + 95 || a >= base + 105));
  pages.take(base + 200);  // keeps the page open
  pages.release(base + 100);
  CHECK(pages.can_take(base + 100, Opening::none));
}

TEST_CASE("pages: an arena is a turn of the ring, and there are so many as allowed") {
  AddressSpace small = space;
  small.ring_pages = 16;
  small.arenas = 4;
  small.most_arenas = 3;  // no less than the others
  const auto turn = [](std::int64_t n) { return base + n * 16 * 4096; };
  static_assert(base % (16 * 4096) == 0);
  TargetPages pages(small);
  CHECK_FALSE(pages.can_take(base + 50, Opening::adjoining));
  pages.take(base + 50);
  CHECK(pages.can_take(turn(1) - 64, Opening::adjoining));
  CHECK_FALSE(pages.can_take(turn(1) + 100, Opening::adjoining));
  CHECK(pages.arenas_open() == 1);
  pages.take(turn(1) - 64);
  CHECK(pages.arenas_open() == 1);
  CHECK(pages.can_take(turn(1) + 100, Opening::sparing));
  pages.take(turn(1) + 100);
  CHECK_FALSE(pages.can_take(turn(2) + 200, Opening::sparing));
  pages.take(turn(3) - 3);  // across two turns
  CHECK(pages.arenas_open() == 4);
  CHECK(pages.can_take(turn(3) + 200, Opening::adjoining));
  CHECK_FALSE(pages.can_take(turn(4) + 200, Opening::anywhere));
  pages.release(turn(1) + 100);
  CHECK(pages.can_take(turn(4) + 200, Opening::anywhere));
  pages.release(turn(1) - 64);
  pages.release(base + 50);
  CHECK(pages.arenas_open() == 2);
  CHECK_FALSE(pages.can_take(base + 50, Opening::adjoining));
}

TEST_CASE("pages: those of gatherings open no arena") {
  AddressSpace few = space;
  few.ring_pages = 64;
  few.arena_pages = 16;
  few.arenas = 0;
  few.most_arenas = 1;
  few.gatherings = {{base + 32 * 4096, base + 34 * 4096}};
  TargetPages pages(few);
  const auto page = [](std::int64_t n) { return base + n * 4096; };
  CHECK_FALSE(pages.can_take(page(32), Opening::none));
  CHECK(pages.can_take(page(32), Opening::adjoining));
  CHECK_FALSE(pages.can_take(page(34), Opening::adjoining));
  CHECK_FALSE(pages.any_in(page(34), page(40), Opening::adjoining));
  std::int64_t found = 0;
  const Window window{base, 0, 3};
  const auto accept = [&](std::int64_t at) { return found = at, true; };
  CHECK(pages.search(window, {}, Opening::adjoining, 8, accept));
  CHECK(found == page(32));
  pages.take(page(32));
  pages.take(page(33));
  CHECK(pages.arenas_open() == 0);
  CHECK_FALSE(pages.can_take(page(35), Opening::adjoining));  // of the same sixteen
  CHECK(pages.can_take(page(35), Opening::anywhere));
  pages.take(page(35));
  CHECK(pages.arenas_open() == 1);
  CHECK(pages.can_take(page(47), Opening::adjoining));
  CHECK_FALSE(pages.can_take(page(48), Opening::anywhere));
  pages.release(page(32));
  pages.release(page(33));
  CHECK(pages.arenas_open() == 1);
  pages.release(page(35));
  CHECK(pages.arenas_open() == 0);
}

TEST_CASE("pages: a search finds the only free run") {
  TargetPages pages(space);
  // Fill one page but for five bytes at 2000.
  for (std::int64_t a = base; a < base + 2000; a += 5) pages.take(a);
  for (std::int64_t a = base + 2005; a + 5 <= base + 4096; a += 5) pages.take(a);
  std::int64_t found = 0;
  const auto accept = [&](std::int64_t at) { return found = at, true; };
  const Window window{base, 0, 2};
  CHECK(pages.search(window, {}, Opening::none, 8, accept));
  CHECK(found == base + 2000);
  pages.take(found);
  CHECK_FALSE(pages.search(window, {}, Opening::none, 8, accept));
  CHECK_FALSE(pages.any_in(base, base + 4096, Opening::none));
}

TEST_CASE("pages: virtual pages of one ring page do not overlap") {
  AddressSpace small = space;
  small.ring_pages = 3;
  TargetPages pages(small);
  pages.take(base + 4094);  // across two pages
  CHECK_FALSE(pages.can_take(base + 3 * 4096 + 4090, Opening::anywhere));
  CHECK(pages.can_take(base + 3 * 4096 + 4089, Opening::anywhere));
  CHECK_FALSE(pages.can_take(base + 4 * 4096 + 2, Opening::anywhere));
  CHECK(pages.can_take(base + 4 * 4096 + 3, Opening::anywhere));
  CHECK(pages.can_take(base + 2 * 4096 + 4094, Opening::anywhere));
  pages.release(base + 4094);
  CHECK(pages.can_take(base + 3 * 4096 + 4094, Opening::anywhere));
}

TEST_CASE("pages: a search obeys its demand, in the order of its preference") {
  TargetPages pages(space);
  ByteChoice wanted;
  for (const int value : {0x77, 0x05, 0xf3}) wanted.add(static_cast<std::uint8_t>(value));
  const Window window{base, 0, 2};
  for (const unsigned byte : {0u, 1u}) {
    Demand demand;
    demand.byte[byte] = &wanted;
    std::vector<std::int64_t> found;
    CHECK_FALSE(pages.search(window, demand, Opening::anywhere, 100000,
                             [&](std::int64_t at) { return found.push_back(at), false; }));
    REQUIRE_FALSE(found.empty());
    CHECK(((found[0] - base) >> (8 * byte) & 0xff) == 0x77);
    std::set<std::int64_t> values;
    for (const auto at : found) values.insert((at - base) >> (8 * byte) & 0xff);
    CHECK(values == std::set<std::int64_t>{0x05, 0x77, 0xf3});
  }
}

TEST_CASE("pages: a search with a demand on the low byte finds what can be taken, and all of it") {
  std::mt19937 random(11);
  AddressSpace few = space;
  few.ring_pages = 4;
  TargetPages pages(few);
  const auto somewhere = [&](std::int64_t size) {
    return base + static_cast<std::int64_t>(random() % static_cast<unsigned>(size));
  };
  for (int n = 0; n < 5000; ++n)
    if (const auto at = somewhere(12 * 4096); pages.can_take(at, Opening::anywhere)) pages.take(at);
  for (int n = 0; n < 300; ++n) {
    ByteChoice wanted;
    for (int v = 0; v < 40; ++v) wanted.add(static_cast<std::uint8_t>(random()));
    Demand demand;
    demand.byte[0] = &wanted;
    const Window window{somewhere(14 * 4096), 0, 1};
    for (const auto opening : {Opening::none, Opening::anywhere}) {
      std::set<std::int64_t> found, expected;
      pages.search(window, demand, opening, 1000, [&](std::int64_t at) {
        found.insert(at);
        return false;
      });
      for (const std::uint8_t low : wanted)
        if (pages.can_take(window.lo() + low, opening)) expected.insert(window.lo() + low);
      CHECK(found == expected);
    }
  }
}

TEST_CASE("pages: a full window of four bytes is searched under its top bytes only") {
  TargetPages pages(space);
  ByteChoice tops;
  tops.add(0x20);
  Demand demand;
  demand.byte[3] = &tops;
  const Window window{base - 0x20000000, 0, 4};
  std::int64_t found = 0;
  REQUIRE(pages.search(window, demand, Opening::anywhere, 10,
                       [&](std::int64_t at) { return found = at, true; }));
  CHECK((found - window.end) >> 24 == 0x20);
}

TEST_CASE("page sets find the end of a run") {
  PageSet set(-10, 1000);
  for (std::int64_t page = 3; page < 300; ++page) set.insert(page);
  set.insert(989);
  for (const std::int64_t page : {3, 53, 54, 117, 118, 299}) CHECK(set.end_of_run(page) == 300);
  set.erase(117);
  CHECK(set.end_of_run(3) == 117);
  CHECK(set.end_of_run(989) == 990);
}

TEST_CASE("page sets find the next member") {
  std::mt19937 random(7);
  for (const std::int64_t count : {1, 63, 64, 65, 5000, 300000}) {
    PageSet set(-count / 2, count);
    std::set<std::int64_t> oracle;
    for (int n = 0; n < 2000; ++n) {
      const std::int64_t page = -count / 2 + static_cast<std::int64_t>(random() % count);
      if (random() % 3 != 0) {
        set.insert(page), oracle.insert(page);
      } else {
        set.erase(page), oracle.erase(page);
      }
      const std::int64_t from = -count / 2 - 3 + static_cast<std::int64_t>(random() % (count + 6));
      const auto it = oracle.lower_bound(from);
      REQUIRE(set.next(from) == (it == oracle.end() ? PageSet::none : *it));
      REQUIRE(set.has(from) == (oracle.count(from) > 0));
    }
  }
}

TEST_CASE("windows count as rel32 does") {
  const Window up{0x1000, 0x22340000, 2}, down{0x1000, static_cast<std::int32_t>(0xff000000), 3},
      whole{0x1000, 0, 4};
  CHECK(up.lo() == 0x22341000);
  CHECK(up.hi() == 0x22351000);
  CHECK(down.lo() == 0x1000 - 0x1000000);
  CHECK(down.hi() == 0x1000);
  CHECK(whole.lo() == 0x1000 - 0x80000000ll);
  CHECK(whole.hi() == 0x1000 + 0x80000000ll);
}
