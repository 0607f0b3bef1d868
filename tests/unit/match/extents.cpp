// Basic blocks and functions: what an expression asks of them, and how they are found.

#include "frontend/match/extents.h"

#include <catch2/catch.hpp>

#include "frontend/match/image_context.h"
#include "tests/unit/image/elf_sample.h"
#include "tests/unit/match/listing.h"

using namespace punster;
using punster::test::ElfSample;

namespace {

/// One function of two blocks, and an instruction in none.
Listing two_blocks() {
  Listing listing({"85 ff", "74 01", "90", "c3", "66 90"});  // test; je 5; nop; ret; fill
  listing.blocks = {{Vaddr{0x1000}, Vaddr{0x1004}, Vaddr{0x1002}, Vaddr{0x1000}, 2},
                    {Vaddr{0x1004}, Vaddr{0x1006}, Vaddr{0x1005}, Vaddr{0x1004}, 2}};
  listing.functions = {{Vaddr{0x1000}, Vaddr{0x1006}, Vaddr{0x1005}, Vaddr{0x1000}, 4}};
  return listing;
}

std::vector<int> matching(const Listing& listing, std::string_view expression) {
  const Match match = Match::parse(expression).value();
  std::vector<int> found;
  for (std::size_t i = 0; i < listing.insns.size(); ++i)
    if (match.matches(listing.insns[i], listing)) found.push_back(static_cast<int>(i));
  return found;
}

/// test %edi,%edi; je 11; mov $5,%eax; xor %eax,%eax; 11: ret; nop; 16: call 0; ret
ElfSample sample() {
  ElfSample elf;
  elf.code = {0x85, 0xff, 0x74, 0x07, 0xb8, 5,    0,    0,    0,    0x31, 0xc0,
              0xc3, 0x0f, 0x1f, 0x40, 0x00, 0xe8, 0xeb, 0xff, 0xff, 0xff, 0xc3};
  elf.unwind = {{0, 12}, {16, 6}};
  elf.symbols = {{"first", 0, 12, STT_FUNC}, {"second", 16, 6, STT_FUNC}};
  return elf;
}

std::vector<std::uint64_t> found(std::string_view expression) {
  const Image image = punster::test::open_bytes(sample().build()).value();
  const CodeMap code = analyse(image).value();
  const ImageContext context(image, code);
  const Match match = Match::parse(expression).value();
  std::vector<std::uint64_t> offsets;
  for (const Insn& insn : code.instructions)
    if (match.matches(insn, context)) offsets.push_back(insn.address().value - ElfSample::text);
  return offsets;
}

using Offsets = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("BB tells the block's address, size and length", "[extents]") {
  const Listing listing = two_blocks();
  CHECK(matching(listing, "BB == 0x1004") == std::vector<int>{2, 3});
  CHECK(matching(listing, "BB.addr == 0x1000") == std::vector<int>{0, 1});
  CHECK(matching(listing, "BB.offset == 0x404") == std::vector<int>{2, 3});
  CHECK(matching(listing, "BB.size == 4") == std::vector<int>{0, 1});
  CHECK(matching(listing, "BB.len == 2") == std::vector<int>{0, 1, 2, 3});
  CHECK(matching(listing, "not defined(BB)") == std::vector<int>{4});
}

TEST_CASE("entry, exit and best are single instructions of a block", "[extents]") {
  const Listing listing = two_blocks();
  CHECK(matching(listing, "BB.entry") == std::vector<int>{0, 2});
  CHECK(matching(listing, "BB.exit") == std::vector<int>{1, 3});
  CHECK(matching(listing, "BB.best") == std::vector<int>{0, 2});
}

TEST_CASE("F tells the same of functions, and their name", "[extents]") {
  const Listing listing = two_blocks();
  CHECK(matching(listing, "F == 0x1000 and F.addr == F") == std::vector<int>{0, 1, 2, 3});
  CHECK(matching(listing, "F.entry") == std::vector<int>{0});
  CHECK(matching(listing, "F.best") == std::vector<int>{0});
  CHECK(matching(listing, "F.size == 6 and F.len == 4 and F.offset == 0x400").size() == 4);
  CHECK(matching(listing, "F.name == \"main\"").size() == 4);
}

TEST_CASE("BB[n] and F[n] do not look beyond their block or function", "[extents]") {
  const Listing listing = two_blocks();
  CHECK(matching(listing, "jcc and BB[-1].mnemonic == \"test\"") == std::vector<int>{1});
  CHECK(matching(listing, "defined(BB[1].size)") == std::vector<int>{0, 2});
  CHECK(matching(listing, "defined(F[1].size)") == std::vector<int>{0, 1, 2});
  CHECK(matching(listing, "defined(I[1].size)") == std::vector<int>{0, 1, 2, 3});
  CHECK(matching(listing, "defined(BB[0].size)") == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("mistakes in BB and F point at their column", "[extents]") {
  CHECK(short_complaint("BB.name == \"x\"").starts_with("column 4: unknown field `name` of BB"));
  CHECK(short_complaint("F.exit").starts_with("column 3: unknown field `exit` of F"));
  CHECK(short_complaint("BB.entri") ==
        "column 4: unknown field `entri` of BB, did you mean `entry`?");
  CHECK(short_complaint("BB[0].BB").starts_with("column 7: "));
}

TEST_CASE("branches, their targets and function starts make blocks", "[extents]") {
  CHECK(found("BB.entry") == Offsets{0, 4, 11, 16});
  CHECK(found("BB.exit") == Offsets{2, 9, 11, 21});
  CHECK(found("BB.best") == Offsets{0, 4, 11, 16});
  CHECK(found("F.entry") == Offsets{0, 16});
  CHECK(found("F.best") == Offsets{0, 16});
  CHECK(found("F.name == \"second\"") == Offsets{16, 21});
  CHECK(found("F.name == \"first\" and F.size == 12 and F.len == 5").size() == 5);
}

TEST_CASE("random is the same in every run, and even", "[attributes]") {
  const Match match = Match::parse("random < 0x40000000").value();
  const Listing listing(std::vector<std::string>(4000, "90"));
  std::size_t below = 0;
  for (const Insn& insn : listing.insns) below += match.matches(insn, listing);
  CHECK(below > 1850);
  CHECK(below < 2150);
  CHECK(matches("90", "random >= 0 and random <= 0x7fffffff"));
}
