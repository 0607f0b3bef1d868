// Nothing at run time reads section headers. Tools do: `strip` and `objcopy` throw away what no
// section covers, segments or not, so every segment of ours holds at least one. Program headers are
// never part of a section: BFD makes room for them in front of the sections of the segment they are
// found in, so the section of that segment is what remains of its page.
//
// Trampolines with a program header are sections as others are. Those that the runtime maps are in
// no segment, but a symbol needs a section at its address: an absolute one would stay where it is
// when the image moves, and gdb looks for symbols only where a section is. BFD and gdb complain of
// contents outside of all segments, so these sections have none (SHT_NOBITS). Their sh_offset is
// true nevertheless: perf computes with it where a symbol stands in the file.

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

Elf64_Shdr section(const TrampolineSection& trampolines, Layout mapped_by) {
  Elf64_Shdr s{};
  s.sh_type = mapped_by == Layout::headers ? SHT_PROGBITS : SHT_NOBITS;
  s.sh_flags = SHF_ALLOC | SHF_EXECINSTR;
  s.sh_addr = trampolines.range.lo.value;
  s.sh_offset = trampolines.offset.value;
  s.sh_size = trampolines.range.size().value;
  s.sh_addralign = page_size.value;
  return s;
}

struct NamedSection {
  std::string_view name;
  Elf64_Shdr header;
};

std::vector<NamedSection> own_sections(const OutputLayout& layout) {
  std::vector<NamedSection> sections = {{".punster.phdr", section(layout.table_filler, 0, 8)},
                                        {".punster.low_end", section(layout.low_end, 0)},
                                        {".eh_frame_hdr", section(layout.frame_index, 0, 4)},
                                        {".punster.eh_frame", section(layout.frames, 0, 8)},
                                        {".punster.tables", section(layout.tables, 0)},
                                        {".punster.pages", section(layout.pages, 0)},
                                        {".punster.original", section(layout.originals, 0)},
                                        {".punster.text", section(layout.runtime, SHF_EXECINSTR)},
                                        {".punster.state", section(layout.state, SHF_WRITE)},
                                        {".punster.counts", section(layout.counters, SHF_WRITE)}};
  for (const auto& gap : layout.gaps)
    sections.push_back({".punster.gap", section(gap, SHF_EXECINSTR, 1)});
  std::erase_if(sections, [](const NamedSection& s) { return s.header.sh_size == 0; });
  return sections;
}

class SectionTable {
 public:
  SectionTable(const ElfView& input, FileOffset at)
      : sections_(input.sections().begin(), input.sections().end()),
        names_index_(input.names_section()),
        at_(at) {
    const auto old = input.contents(sections_[names_index_]);
    names_.assign(old.begin(), old.end());
    if (names_.empty() || names_.back() != 0) names_.push_back(0);
  }

  std::uint32_t add(std::string_view name, const Elf64_Shdr& s) {
    sections_.push_back(s);
    const auto index = static_cast<std::uint32_t>(sections_.size() - 1);
    rename(index, name);
    return index;
  }
  void rename(std::uint32_t index, std::string_view name) {
    sections_[index].sh_name = static_cast<Elf64_Word>(names_.size());
    names_.insert(names_.end(), name.begin(), name.end());
    names_.push_back(0);
  }
  Elf64_Shdr& operator[](std::uint32_t index) { return sections_[index]; }

  /// The section's contents are these, at the end of the file.
  void contents(std::uint32_t index, std::span<const std::uint8_t> contents) {
    align();
    sections_[index].sh_offset = at_.value + result_.bytes.size();
    sections_[index].sh_size = contents.size();
    result_.bytes.insert(result_.bytes.end(), contents.begin(), contents.end());
  }

  SectionHeaders finish() && {
    contents(static_cast<std::uint32_t>(names_index_), names_);
    align();
    result_.table = at_ + Bytes{result_.bytes.size()};
    if (sections_.size() < SHN_LORESERVE) {
      result_.count = static_cast<std::uint16_t>(sections_.size());
    } else {
      sections_[0].sh_size = sections_.size();  // and e_shnum is 0
    }
    const auto at = result_.bytes.size();
    result_.bytes.resize(at + sections_.size() * sizeof(Elf64_Shdr));
    std::memcpy(result_.bytes.data() + at, sections_.data(), sections_.size() * sizeof(Elf64_Shdr));
    return std::move(result_);
  }

 private:
  void align() {
    while (result_.bytes.size() % alignof(Elf64_Shdr)) result_.bytes.push_back(0);
  }

  std::vector<Elf64_Shdr> sections_;
  std::uint64_t names_index_;
  FileOffset at_;  // where result_.bytes will begin
  std::vector<std::uint8_t> names_;
  SectionHeaders result_;
};

void add_frames(SectionTable& table, const ToolSections& tools) {
  if (tools.frames.empty()) return;
  auto index = tools.frames_section;
  if (index == 0) {
    Elf64_Shdr s{};
    s.sh_type = SHT_PROGBITS;
    index = table.add(".debug_frame", s);
  }
  auto& header = table[index];
  header.sh_addralign =
      frames_alignment;  // of the contents, and of what says that it is compressed
  header.sh_flags &= ~Elf64_Xword{SHF_COMPRESSED};
  if (tools.frames_compressed) header.sh_flags |= SHF_COMPRESSED;
  table.contents(index, tools.frames);
}

void add_symbols(SectionTable& table, const SymbolSections& symbols) {
  auto index = symbols.symbols_section, names = symbols.names_section;
  if (index == 0) {
    Elf64_Shdr s{};
    s.sh_type = SHT_SYMTAB;
    s.sh_addralign = 8;
    s.sh_entsize = sizeof(Elf64_Sym);
    index = table.add(".symtab", s);
  }
  if (names == 0) {
    Elf64_Shdr s{};
    s.sh_type = SHT_STRTAB;
    s.sh_addralign = 1;
    names = table.add(".strtab", s);
  }
  table[index].sh_link = names;
  table[index].sh_info = symbols.locals;
  table.contents(index, symbols.symbols);
  table.contents(names, symbols.names);
}

}  // namespace

std::uint32_t first_trampoline_section(const ElfView& input, const OutputLayout& layout) {
  return static_cast<std::uint32_t>(input.sections().size() + own_sections(layout).size());
}

std::optional<SectionHeaders> new_section_headers(const ElfView& input, const EmitPlan& plan,
                                                  const OutputLayout& layout,
                                                  const ToolSections& tools) {
  if (input.names_section() == SHN_UNDEF) return std::nullopt;
  const auto& names = input.sections()[input.names_section()];
  const auto size = input.file().size();
  if (names.sh_type != SHT_STRTAB || (names.sh_flags & SHF_ALLOC) || names.sh_offset > size ||
      names.sh_size > size - names.sh_offset)
    return std::nullopt;

  SectionTable table(input, layout.end);
  // There is one section of that name, and it is what PT_GNU_EH_FRAME shows.
  for (std::uint32_t i = 0; i < input.sections().size() && layout.frame_index.size.value > 0; ++i)
    if (input.section_name(input.sections()[i]) == ".eh_frame_hdr")
      table.rename(i, ".punster.old_eh_frame_hdr");
  for (const auto& s : own_sections(layout)) table.add(s.name, s.header);
  for (const auto& t : tools.trampolines)
    table.add(t.holds_bodies ? ".punster.bodies" : ".punster.stubs", section(t, plan.layout));
  add_frames(table, tools);
  if (tools.symbols) add_symbols(table, *tools.symbols);
  return std::move(table).finish();
}

}  // namespace punster
