// The table readers, on tables made by hand.

#include <catch2/catch.hpp>

#include "elf_sample.h"
#include "frontend/image/relocation_targets.h"
#include "frontend/image/symbol_table.h"
#include "frontend/image/unwind.h"

using namespace punster;
using namespace punster::test;

namespace {

// One segment that maps the whole of `file` at 0, with code at [0x100, 0x200).
ElfTables tables_over(const ByteVector& file) {
  ElfTables tables;
  Elf64_Phdr load{};
  load.p_type = PT_LOAD;
  load.p_filesz = load.p_memsz = file.size();
  tables.programs.push_back(load);
  return tables;
}
const std::vector<Section> code = {
    {".text", {Vaddr{0x100}, Vaddr{0x200}}, FileOffset{0x100}, true, false, true}};

}  // namespace

TEST_CASE("RELR words are decoded: addresses and bitmaps", "[relocations]") {
  ByteVector file(0x400);
  put(file, 0x300, std::uint64_t{0x110});             // relocated by the address entry
  put(file, 0x308, std::uint64_t{0x120});             // bit 1
  put(file, 0x310, std::uint64_t{0x130});             // bit 2: clear
  put(file, 0x318, std::uint64_t{0x140});             // bit 3
  put(file, 0x320, std::uint64_t{0x999});             // bit 4: not code
  put(file, 0x10, std::uint64_t{0x300});              // RELR: an address
  put(file, 0x18, std::uint64_t{1 | 1 << 1 | 1 << 3 | 1 << 4});
  DynamicTable dynamic;
  dynamic.present = true;
  dynamic.values = {{DT_RELR, 0x10}, {DT_RELRSZ, 16}};
  CHECK(relocation_targets(ByteView(file), tables_over(file), dynamic, code) ==
        std::vector<Vaddr>{Vaddr{0x110}, Vaddr{0x120}, Vaddr{0x140}});
}

TEST_CASE("RELA, init arrays and DT_INIT name code", "[relocations]") {
  ByteVector file(0x400);
  put(file, 0x10, Elf64_Rela{0x300, ELF64_R_INFO(0, R_X86_64_RELATIVE), 0x150});
  put(file, 0x28, Elf64_Rela{0x308, ELF64_R_INFO(0, R_X86_64_IRELATIVE), 0x160});
  put(file, 0x40, Elf64_Rela{0x310, ELF64_R_INFO(0, R_X86_64_DTPMOD64), 0x170});
  put(file, 0x60, std::uint64_t{0x180});
  DynamicTable dynamic;
  dynamic.present = true;
  dynamic.values = {{DT_RELA, 0x10},       {DT_RELASZ, 72}, {DT_INIT, 0x100},
                    {DT_INIT_ARRAY, 0x60}, {DT_INIT_ARRAYSZ, 8}};
  CHECK(relocation_targets(ByteView(file), tables_over(file), dynamic, code) ==
        std::vector<Vaddr>{Vaddr{0x100}, Vaddr{0x150}, Vaddr{0x160}, Vaddr{0x180}});
  // Sizes that leave the file name nothing instead of reading past it.
  dynamic.values[DT_RELASZ] = ~0ull;
  CHECK(relocation_targets(ByteView(file), tables_over(file), dynamic, code).size() == 2);
}

TEST_CASE("an LSDA gives the landing pads of its function", "[unwind]") {
  ByteVector file(0x400);
  const ByteVector cie = {
      19, 0, 0, 0, 0, 0, 0, 0,       // length, CIE
      1, 'z', 'L', 'R', 0, 1, 0x78, 16,
      2, 0x04, 0x04,                 // augmentation data: LSDA and pointers are udata8
      0, 0, 0, 0,
  };
  std::copy(cie.begin(), cie.end(), file.begin() + 0x20);
  const std::size_t fde = 0x20 + cie.size();
  put(file, fde, std::uint32_t{29});
  put(file, fde + 4, static_cast<std::uint32_t>(fde + 4 - 0x20));
  put(file, fde + 8, std::uint64_t{0x110});
  put(file, fde + 16, std::uint64_t{0x40});
  put(file, fde + 24, std::uint8_t{8});
  put(file, fde + 25, std::uint64_t{0x300});
  const ByteVector lsda = {
      0xff, 0xff, 0x01, 8,  // no base, no types, uleb128 call sites, 8 bytes of them
      0x00, 0x08, 0x20, 0,  // [0, 8): pad at +0x20
      0x08, 0x08, 0x00, 0,  // [8, 16): no pad
  };
  std::copy(lsda.begin(), lsda.end(), file.begin() + 0x300);
  ElfTables tables = tables_over(file);
  Elf64_Shdr frames{};
  frames.sh_type = SHT_PROGBITS;
  frames.sh_flags = SHF_ALLOC;
  frames.sh_addr = frames.sh_offset = 0x20;
  frames.sh_size = fde + 33 - 0x20;
  const std::uint8_t names[] = ".eh_frame";
  tables.section_names = ByteView(std::span(names));
  tables.sections.push_back(frames);
  const auto unwind = read_unwind(ByteView(file), tables, code);
  REQUIRE(unwind.size() == 1);
  CHECK(unwind[0].range == AddressRange{Vaddr{0x110}, Vaddr{0x150}});
  CHECK(unwind[0].landing_pads == std::vector<Vaddr>{Vaddr{0x130}});
}

TEST_CASE("the innermost function covers an address, then objects and labels", "[symbols]") {
  const std::vector<Symbol> symbols = {
      {Vaddr{0x100}, Bytes{0x80}, "outer", true, false},
      {Vaddr{0x120}, Bytes{0}, "label", false, false},
      {Vaddr{0x140}, Bytes{0x10}, "inner", true, false},
      {Vaddr{0x200}, Bytes{0}, "a_start", false, false},
      {Vaddr{0x210}, Bytes{8}, "object", false, true},
  };
  const SymbolIndex index(symbols);
  const auto name = [&](std::uint64_t a) {
    const Symbol* s = index.at(Vaddr{a});
    return s == nullptr ? std::string() : s->name;
  };
  CHECK(name(0x0ff).empty());
  CHECK(name(0x125) == "outer");
  CHECK(name(0x148) == "inner");
  CHECK(name(0x150) == "outer");
  CHECK(name(0x190).empty());
  CHECK(name(0x20f) == "a_start");  // of size 0: reaches to the next
  CHECK(name(0x212) == "object");
  CHECK(name(0x218).empty());
}
