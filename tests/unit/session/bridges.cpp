// Copies of instructions between sites: which are made, and how bodies run through them.

#include "backend/session/bridges.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "laid_out.h"

using namespace punster;

namespace {

/// A row of two-byte instructions, one letter each: S a site that others may enter, X one that they
/// may not, - an instruction, C one that is never copied, R one that control does not pass, a space
/// a gap.
std::vector<std::uint32_t> chosen(const std::string& row, std::vector<std::uint32_t> entries,
                                  unsigned most = 3, std::uint32_t covered = 0) {
  std::vector<Insn> instructions;
  std::string letters;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] == ' ') continue;
    instructions.emplace_back(Vaddr{0x1000 + 2 * i}, 2);
    letters += row[i];
  }
  std::vector<BridgeEntry> all;
  for (const auto entry : entries) all.push_back({entry, covered});
  const auto is = [&](std::uint32_t i, char letter) { return letters[i] == letter; };
  return choose_bridges(
      {instructions, [&](std::uint32_t i) { return is(i, 'S') || is(i, 'X'); },
       [&](std::uint32_t i) { return is(i, 'S'); },
       [&](std::uint32_t i) {
         return is(i, 'C') ? CopyFlow::unfit : is(i, 'R') ? CopyFlow::leaves : CopyFlow::goes_on;
       }},
      all, most);
}

using Chosen = std::vector<std::uint32_t>;

const std::vector<std::uint8_t> xor_eax = {0x31, 0xc0}, mov_eax = {0xb8, 5, 0, 0, 0};

}  // namespace

TEST_CASE("a row between two bodies is copied") {
  CHECK(chosen("S--S", {1}) == Chosen{1, 2});
  CHECK(chosen("S---S", {1}) == Chosen{1, 2, 3});
}

TEST_CASE("a row that ends where control never passes is copied with its end") {
  CHECK(chosen("S--R--S", {1}) == Chosen{1, 2, 3});
}

TEST_CASE("what leads to no body is not copied") {
  CHECK(chosen("S----S", {1}).empty());  // too long
  CHECK(chosen("S--C-S", {1}).empty());
  CHECK(chosen("S--X", {1}).empty());
  CHECK(chosen("S- -S", {1}).empty());  // something unknown between
  CHECK(chosen("S--", {1}).empty());
  CHECK(chosen("S--S", {}).empty());
}

TEST_CASE("what a jump covers is copied wherever it leads, as far as it can be") {
  CHECK(chosen("S----S", {1}, 3, 2) == Chosen{1, 2});
  CHECK(chosen("S----S", {1}, 0, 2) == Chosen{1, 2});
  CHECK(chosen("S----S", {1}, 4, 2) == Chosen{1, 2, 3, 4});
  CHECK(chosen("S-C-S", {1}, 3, 2) == Chosen{1});
  CHECK(chosen("S- -S", {1}, 3, 2) == Chosen{1});
  CHECK(chosen("S-S", {1}, 0, 2) == Chosen{1});
  CHECK(chosen("SC--S", {1}, 3, 2).empty());
}

TEST_CASE("rows that meet are copied once, from the first entry on") {
  CHECK(chosen("S-----S", {4, 5}) == Chosen{4, 5});
  CHECK(chosen("S-----S", {1, 4, 5}) == Chosen{4, 5});
  CHECK(chosen("S-----S", {2, 3, 4}, 4) == Chosen{2, 3, 4, 5});
}

TEST_CASE("the order of the entries does not matter") {
  // Entered first, 1 finds no body within reach; entered last, the copies that 4 asked for.
  for (unsigned covered = 0; covered < 3; ++covered) {
    std::vector<std::uint32_t> entries = {1, 2, 4, 5, 7};
    const auto expected = chosen("S------C-S", entries, 3, covered);
    while (std::next_permutation(entries.begin(), entries.end()))
      CHECK(chosen("S------C-S", entries, 3, covered) == expected);
  }
  CHECK(chosen("S-----S", {4, 1}) == chosen("S-----S", {1, 4}));
}

TEST_CASE("bodies run through copies into each other") {
  const Instructions program = {xor_edi, xor_eax, {0x74, 0xfc}, ret};
  // The branch goes to the copy of the xor before it, a loop without a jump to a site.
  CHECK(Laid(program).sites({0, 4}).bridge(3).lay_out().bodies() ==
        "31ff"
        "31c0"
        "0f84f8ffffff"
        "c3");
  CHECK(Laid(program).sites({0, 4}).bridge(3).lay_out(false).bodies() ==
        Laid(program).sites({0, 4}).lay_out(false).bodies());
}

TEST_CASE("bodies go home behind what their jumps may cover") {
  const Instructions program = {xor_edi, mov_eax, mov_eax, mov_eax, {0x74, 0xef}, ret};
  const std::string mov = "b805000000";
  for (const bool chaining : {true, false})
    CHECK(Laid(program).sites({0}).lay_out(chaining).bodies() ==
          "31ff" + mov + mov + jump(0x50000c, 0x40010c));
  // So does a branch to what is covered, with the copies that are there.
  CHECK(Laid({xor_edi, xor_eax, mov_eax, {0x74, 0xf7}, ret}).sites({0, 9}).lay_out().bodies() ==
        "31ff31c0" + mov + "0f84f3ffffffc3");
  CHECK(Laid(program).sites({0, 17}).bridge(3).lay_out().bodies() ==
        "31ff" + mov + mov + mov + "0f84ebffffffc3");
}

TEST_CASE("a payload is run at its site only, not in copies") {
  CHECK(Laid({xor_edi, xor_eax, ret})
            .sites({0, 4}, R"([144, "$instr", "$break"])")
            .bridge(3)
            .lay_out()
            .bodies() ==
        "9031ff"
        "31c0"
        "90c3");
}

TEST_CASE("what the kernel is told the place of is not copied") {
  CHECK(Laid({xor_edi, system_call, ret}).sites({0, 4}).bridge(3).lay_out().bodies() ==
        "31ff" + jump(0x500002, 0x400102) + "c3");
}

TEST_CASE("an evicted instruction that has a copy needs no body of its own") {
  Laid laid({xor_edi, xor_eax, ret});
  laid.sites({0, 4}).bridge(3).lay_out();
  CHECK(laid.evict(1) == 0x500002);
  CHECK(laid.bodies() ==
        "31ff"
        "31c0"
        "c3");
  Laid without({xor_edi, mov_eax, mov_eax, xor_eax, ret});
  without.sites({0, 14}).lay_out();
  CHECK(without.evict(3) >= 0x500000 + Bodies::evicted_distance);
}
