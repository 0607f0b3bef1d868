#include "frontend/image/build_id.h"

#include "protocol/hex.h"

namespace punster {
namespace {

std::string build_id_in(ByteView notes, std::uint64_t align) {
  for (std::uint64_t at = 0;;) {
    const auto note = notes.read<Elf64_Nhdr>(at);
    if (!note) return {};
    const std::uint64_t name_at = at + sizeof *note;
    const std::uint64_t data_at = name_at + (note->n_namesz + align - 1) / align * align;
    if (note->n_type == NT_GNU_BUILD_ID && notes.text(name_at) == "GNU")
      return to_hex(notes.part(data_at, note->n_descsz).bytes());
    at = data_at + (note->n_descsz + align - 1) / align * align;
  }
}

}  // namespace

std::string read_build_id(ByteView file, const ElfTables& tables) {
  const auto found = [&](ByteView notes, std::uint64_t align) {
    return build_id_in(notes, align == 8 ? 8 : 4);
  };
  for (const Elf64_Phdr& p : tables.programs)
    if (p.p_type == PT_NOTE)
      if (auto id = found(file.part(p.p_offset, p.p_filesz), p.p_align); !id.empty()) return id;
  if (!tables.programs.empty()) return {};
  for (const Elf64_Shdr& s : tables.sections)
    if (s.sh_type == SHT_NOTE)
      if (auto id = found(ElfTables::contents(file, s), s.sh_addralign); !id.empty()) return id;
  return {};
}

}  // namespace punster
