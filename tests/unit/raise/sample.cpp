#include "tests/unit/raise/sample.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

namespace punster {

std::string sample_source() {
  return R"(
#include <stdio.h>
#include <string.h>
static int three(void) { return 3; }
static void *choose(void) { return three; }
int chosen(void) __attribute__((ifunc("choose")));
static int hidden_choice(void) __attribute__((ifunc("choose")));
__thread int general = 5;
static __thread int local = 6;
int number = 7;
int *pointer = &number;
static int private_number = 8;
static int *const private_pointers[] = {&private_number, 0, &private_number};
static int (*const functions[])(void) = {three, hidden_choice, chosen};
extern int nobody(void) __attribute__((weak));
static int constructed;
__attribute__((constructor)) static void begin(void) { constructed = 1; }
__attribute__((destructor)) static void end(void) { puts("unloaded"); fflush(stdout); }
__asm__(".pushsection .note.stapsdt,\"\",\"note\"\n.balign 4\n.4byte 8,32,3\n.asciz \"stapsdt\"\n"
        ".8byte probed\n.8byte _.stapsdt.base\n.8byte 0\n.asciz \"a\",\"b\",\"\"\n.balign 4\n.popsection\n"
        ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n.weak _.stapsdt.base\n"
        ".hidden _.stapsdt.base\n_.stapsdt.base: .space 1\n.size _.stapsdt.base,1\n.popsection\n");
int check(void) {
  __asm__ volatile("probed: nop");
  int sum = constructed + chosen() + hidden_choice() + general + local + *pointer;  // 25
  for (unsigned i = 0; i < 3; ++i) sum += functions[i]();                           // 34
  sum += *private_pointers[2] - (private_pointers[1] != 0);                         // 42
  return nobody ? 0 : strlen("12345678901234567") == 17 ? sum : 0;
}
)";
}

Draft::Draft(const Workshop& shop, const std::filesystem::path& original)
    : place_(shop.file("draft")), view_(ElfView::open(original).value()) {
  std::ifstream in(original, std::ios::binary);
  bytes.assign(std::istreambuf_iterator<char>(in), {});
}

std::uint64_t Draft::dynamic(std::int64_t tag) const {
  const auto entry = DynamicSection::read(view_).value().find(tag);
  REQUIRE(entry);
  return entry->offset.value;
}

std::uint64_t Draft::offset_of(std::uint64_t address) const {
  return view_.to_offset(Vaddr{address}).value().value;
}

std::uint64_t Draft::pointed_to(std::int64_t tag) const {
  return offset_of(read<Elf64_Dyn>(dynamic(tag)).d_un.d_ptr);
}

std::uint64_t Draft::segment(std::uint32_t type) const {
  const auto segments = view_.segments();
  const auto found = std::find_if(segments.begin(), segments.end(),
                                  [&](const auto& p) { return p.p_type == type; });
  REQUIRE(found != segments.end());
  return view_.header().e_phoff +
         static_cast<std::uint64_t>(found - segments.begin()) * sizeof(Elf64_Phdr);
}

std::uint64_t Draft::section(const std::string& name) const {
  const auto sections = view_.sections();
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [&](const auto& s) { return view_.section_name(s) == name; });
  REQUIRE(found != sections.end());
  return view_.header().e_shoff +
         static_cast<std::uint64_t>(found - sections.begin()) * sizeof(Elf64_Shdr);
}

std::uint64_t Draft::relocation(std::uint64_t type) const {
  constexpr std::pair<std::int64_t, std::int64_t> tables[] = {{DT_RELA, DT_RELASZ},
                                                              {DT_JMPREL, DT_PLTRELSZ}};
  const auto section = DynamicSection::read(view_).value();
  for (const auto& [tag, size_tag] : tables) {
    const auto table = section.find(tag), size = section.find(size_tag);
    for (std::uint64_t i = 0; table && i < size->value; i += sizeof(Elf64_Rela)) {
      const auto at = offset_of(table->value) + i;
      if (ELF64_R_TYPE(read<Elf64_Rela>(at).r_info) == type) return at;
    }
  }
  FAIL("no relocation of type " << type);
  return 0;
}

std::uint64_t Draft::symbol(unsigned type) const {
  const auto header = read<Elf64_Shdr>(section(".dynsym"));
  for (std::uint64_t i = 1; i < header.sh_size / sizeof(Elf64_Sym); ++i) {
    const auto at = header.sh_offset + i * sizeof(Elf64_Sym);
    const auto symbol = read<Elf64_Sym>(at);
    if (ELF64_ST_TYPE(symbol.st_info) == type && symbol.st_shndx != SHN_UNDEF) return at;
  }
  FAIL("no symbol of type " << type);
  return 0;
}

Result<ElfView> Draft::open() const {
  std::filesystem::remove(place_);
  std::ofstream(place_, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return ElfView::open(place_);
}

}  // namespace punster
