// Files that must stay where they were linked to, and contents that would have to move but that
// nobody here moves. Debug information is the most frequent of these: a debugger that finds it
// inside of a raised file would show every line at the wrong address. Debian keeps it in files of
// its own, which debuggers relate to the raised file by its sections, and which work as they are.

#include <algorithm>

#include "backend/raise/carriers.h"

namespace punster {
namespace {

/// Exported by every dynamic loader, for debuggers: glibc's and musl's, under whatever name it is
/// installed.
bool is_dynamic_loader(const ElfView& input, const DynamicSection& dynamic) {
  const auto soname = dynamic.soname(input);
  if (soname.starts_with("ld-") || soname.starts_with("ld.so")) return true;
  const auto strings = dynamic.find(DT_STRTAB), symbols = dynamic.find(DT_SYMTAB);
  if (!strings || !symbols || symbols->value > strings->value) return false;
  // The string table follows the symbols in every file that has a loader in it.
  const auto table = input.bytes_at(Vaddr{symbols->value}, Bytes{strings->value - symbols->value});
  for (std::size_t at = 0; at + sizeof(Elf64_Sym) <= table.size(); at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    std::memcpy(&symbol, table.data() + at, sizeof symbol);
    if (symbol.st_shndx == SHN_UNDEF) continue;
    constexpr std::string_view marks[] = {"_dl_debug_state", "_r_debug"};
    for (const auto mark : marks) {
      const auto name =
          input.bytes_at(Vaddr{strings->value + symbol.st_name}, Bytes{mark.size() + 1});
      if (name.size() > mark.size() && name[mark.size()] == 0 &&
          std::equal(mark.begin(), mark.end(), name.begin()))
        return true;
    }
  }
  return false;
}

bool holds_debug_information(std::string_view section) {
  return (section.starts_with(".debug_") && section != ".debug_gdb_scripts") ||
         section.starts_with(".zdebug_") || section == ".gdb_index" || section == ".gnu_debugdata";
}

Result<void> refuse_sections(const ElfView& input) {
  bool has_probes = false, has_base = false;
  for (const auto& s : input.sections()) {
    const auto name = input.section_name(s);
    has_probes |= name == ".note.stapsdt";
    has_base |= name == ".stapsdt.base" && (s.sh_flags & SHF_ALLOC);
    if (s.sh_flags & SHF_ALLOC) continue;
    if (holds_debug_information(name) && s.sh_size > 0)
      return cannot_raise(input,
                          "it has debug information inside (" + std::string(name) +
                              "); move it to a file of its own with objcopy --only-keep-debug "
                              "and strip --strip-debug");
    if ((s.sh_type == SHT_RELA || s.sh_type == SHT_REL) && s.sh_size > 0)
      return cannot_raise(input, "the linker kept its relocations inside (--emit-relocs)");
    if (name == ".gnu.prelink_undo") return cannot_raise(input, "it is prelinked");
  }
  // A probe's addresses count from where .stapsdt.base was when the note was written.
  if (has_probes && !has_base)
    return cannot_raise(input,
                        "it has probes (.note.stapsdt) but no .stapsdt.base to count them from");
  return success();
}

}  // namespace

Result<void> refuse_what_must_stay(const ElfView& input) {
  switch (input.kind()) {
    case FileKind::exec:
    case FileKind::static_exec:
      return cannot_raise(input, "it is linked to a fixed address");
    case FileKind::static_pie:
      return cannot_raise(input,
                          "it relocates itself and takes for granted that it is linked at 0");
    case FileKind::pie:
    case FileKind::dso:
      break;
  }
  PUNSTER_TRY(const auto dynamic, DynamicSection::read(input));
  if (dynamic.empty()) return cannot_raise(input, "it has no dynamic section");
  if (is_dynamic_loader(input, dynamic))
    return cannot_raise(input, "it is a dynamic loader, which relocates itself");
  return refuse_sections(input);
}

}  // namespace punster
