// Which executable bytes there are, and which of them belong to nobody.

#include "backend/session/code_regions.h"

#include "small_elf.h"

using namespace punster;

namespace {

constexpr std::uint32_t rx = PF_R | PF_X, rw = PF_R | PF_W;

Vaddr at(std::uint64_t offset) { return Vaddr{SmallElf::base + offset}; }
AddressRange range(std::uint64_t lo, std::uint64_t hi) { return {at(lo), at(hi)}; }

/// Where the first region ends, as an offset.
std::uint64_t end_of_code(SmallElf& elf, Tail tail) {
  const auto view = ElfView::open(elf.written());
  REQUIRE(view);
  const auto regions = code_regions(view.value(), tail);
  REQUIRE(regions.size() == 1);
  CHECK(regions[0].address == at(0));
  return regions[0].bytes.size();
}

std::vector<AddressRange> slack(SmallElf& elf, const std::vector<Insn>& instructions = {},
                                const std::vector<AddressRange>& padding = {}) {
  const auto view = ElfView::open(elf.written());
  REQUIRE(view);
  return with_slack(view.value(), code_regions(view.value(), Tail::in_memory), instructions, padding);
}

}  // namespace

TEST_CASE("a region is what its segment has in the file") {
  SmallElf elf(0x1000);
  elf.segment(0, 0x180, rx);
  CHECK(end_of_code(elf, Tail::none) == 0x180);
}

TEST_CASE("a region reaches to the end of its page") {
  SmallElf elf(0x1000);
  elf.segment(0, 0x180, rx);
  CHECK(end_of_code(elf, Tail::in_memory) == 0x1000);
}

TEST_CASE("in the file a tail must be zeros that nothing claims") {
  SmallElf zeros(0x1000);
  zeros.segment(0, 0x180, rx);
  CHECK(end_of_code(zeros, Tail::in_file) == 0x1000);
  SmallElf data(0x1000);
  data.segment(0, 0x180, rx);
  data.bytes(0xf00, {1});
  CHECK(end_of_code(data, Tail::in_file) == 0x180);
  CHECK(end_of_code(data, Tail::in_memory) == 0x1000);
}

TEST_CASE("in the file a tail may be somebody else's, as other linkers have it") {
  SmallElf elf(0x1000);
  elf.segment(0, 0x180, rx).section(0x800, 0x880);
  CHECK(end_of_code(elf, Tail::in_file) == 0x180);
  CHECK(end_of_code(elf, Tail::in_memory) == 0x1000);
}

TEST_CASE("no tail past the end of the file") {
  SmallElf elf(0x180);
  elf.segment(0, 0x180, rx);
  CHECK(end_of_code(elf, Tail::in_memory) == 0x180);
}

TEST_CASE("no tail over .bss") {
  SmallElf elf(0x1000);
  elf.segment(0, 0x180, rx, 8);
  CHECK(end_of_code(elf, Tail::in_memory) == 0x180);
}

TEST_CASE("no tail when the next segment begins in the same page") {
  SmallElf elf(0x1000);
  elf.segment(0, 0x180, rx).segment(0x200, 0x280, rw);
  CHECK(end_of_code(elf, Tail::in_memory) == 0x180);
}

TEST_CASE("data segments are no regions, executable ones are each") {
  SmallElf elf(0x4000);
  elf.segment(0, 0x180, rx).segment(0x1000, 0x1100, rw).segment(0x2000, 0x2100, rx);
  const auto view = ElfView::open(elf.written());
  REQUIRE(view);
  const auto regions = code_regions(view.value(), Tail::none);
  REQUIRE(regions.size() == 2);
  CHECK(regions[1].address == at(0x2000));
  CHECK(regions[1].bytes.size() == 0x100);
}

TEST_CASE("the tail of the last page is slack") {
  SmallElf elf(0x1000);
  elf.segment(0, 0x180, rx);
  CHECK(slack(elf) == std::vector{range(0x180, 0x1000)});
}

TEST_CASE("zeros between two sections are slack, other bytes are not") {
  SmallElf elf(0x1000);
  elf.segment(0, 0x1000, rx).section(0x100, 0x110).section(0x120, 0x130).section(0x140, 0x150);
  elf.bytes(0x13f, {1});
  CHECK(slack(elf) == std::vector{range(0x110, 0x120)});
}

TEST_CASE("slack that holds an instruction is none") {
  SmallElf elf(0x1000);
  elf.segment(0, 0x1000, rx).section(0x100, 0x110).section(0x120, 0x130);
  CHECK(slack(elf, {Insn(at(0x10f), 2)}).empty());
  CHECK(slack(elf, {Insn(at(0x11f), 2)}).empty());
  CHECK(slack(elf, {Insn(at(0x10e), 2), Insn(at(0x120), 2)}).size() == 1);
}

TEST_CASE("what the client calls padding is kept and merged with slack") {
  SmallElf elf(0x1000);
  elf.segment(0, 0x180, rx);
  CHECK(slack(elf, {}, {range(0x100, 0x108), range(0x170, 0x180)}) ==
        std::vector{range(0x100, 0x108), range(0x170, 0x1000)});
}
