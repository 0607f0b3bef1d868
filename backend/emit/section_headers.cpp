// Nothing at run time reads section headers. Tools do: `strip` and `objcopy` throw away what no section
// covers, segments or not, so every segment of ours holds at least one. Program headers are never part of
// a section: BFD makes room for them in front of the sections of the segment they are found in, so the
// section of that segment is what remains of its page.

#include "backend/emit/section_headers.h"

#include <cstring>
#include <string_view>

namespace punster {
namespace {

Elf64_Shdr section(const Piece& piece, Elf64_Xword flags, Elf64_Xword align = page_size.value) {
  Elf64_Shdr s{};
  s.sh_type = SHT_PROGBITS;
  s.sh_flags = SHF_ALLOC | flags;
  s.sh_addr = piece.address.value;
  s.sh_offset = piece.offset.value;
  s.sh_size = piece.size.value;
  s.sh_addralign = align;
  return s;
}

}  // namespace

std::optional<SectionHeaders> new_section_headers(const ElfView& input, const OutputLayout& layout) {
  std::vector<Elf64_Shdr> sections(input.sections().begin(), input.sections().end());
  if (sections.empty()) return std::nullopt;
  const auto& header = input.header();
  const std::uint64_t names_index =
      header.e_shstrndx == SHN_XINDEX ? sections[0].sh_link : header.e_shstrndx;
  if (names_index == SHN_UNDEF || names_index >= sections.size()) return std::nullopt;
  auto& names = sections[names_index];
  const auto file = input.file();
  if (names.sh_type != SHT_STRTAB || (names.sh_flags & SHF_ALLOC) || names.sh_offset > file.size() ||
      names.sh_size > file.size() - names.sh_offset)
    return std::nullopt;

  SectionHeaders result;
  auto& bytes = result.bytes;
  const auto old = file.subspan(names.sh_offset, names.sh_size);
  bytes.assign(old.begin(), old.end());
  if (bytes.empty() || bytes.back() != 0) bytes.push_back(0);

  const auto add = [&](std::string_view name, Elf64_Shdr s) {
    if (s.sh_size == 0) return;
    s.sh_name = static_cast<Elf64_Word>(bytes.size());
    bytes.insert(bytes.end(), name.begin(), name.end());
    bytes.push_back(0);
    sections.push_back(s);
  };
  add(".punster.phdr", section(layout.table_filler, 0, 8));
  add(".punster.tables", section(layout.tables, 0));
  add(".punster.pages", section(layout.pages, 0));
  add(".punster.text", section(layout.runtime, SHF_EXECINSTR));
  add(".punster.state", section(layout.state, SHF_WRITE));
  // `names` dangles from here on: `sections` has grown.

  sections[names_index].sh_offset = layout.end.value;
  sections[names_index].sh_size = bytes.size();
  while (bytes.size() % alignof(Elf64_Shdr)) bytes.push_back(0);
  result.table = layout.end + Bytes{bytes.size()};
  if (sections.size() < SHN_LORESERVE) {
    result.count = static_cast<std::uint16_t>(sections.size());
  } else {
    sections[0].sh_size = sections.size();  // and e_shnum is 0
  }
  const auto at = bytes.size();
  bytes.resize(at + sections.size() * sizeof(Elf64_Shdr));
  std::memcpy(bytes.data() + at, sections.data(), sections.size() * sizeof(Elf64_Shdr));
  return result;
}

}  // namespace punster
