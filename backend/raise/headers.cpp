// ELF header, program headers, section headers.

#include "backend/raise/carriers.h"

namespace punster {
namespace {

/// Whether a program header describes memory. A stack's does not: its fields but p_flags mean
/// nothing.
bool is_about_memory(const Elf64_Phdr& p) {
  if (p.p_type == PT_NULL || p.p_type == PT_GNU_STACK) return false;
  return p.p_type == PT_LOAD || p.p_vaddr != 0 || p.p_memsz != 0;
}

Result<void> check_place(const ElfView& input, const WordList& words, const std::string& name,
                         std::uint64_t address, std::uint64_t offset, std::uint64_t bytes_of_file) {
  if (!words.in_image(address) || (bytes_of_file > 0 && !words.in_memory(address, bytes_of_file)))
    return cannot_raise(input,
                        name + " at " + to_hex(Vaddr{address}) + " does not lie in the image");
  if (bytes_of_file > 0 && input.to_offset(Vaddr{address}) != FileOffset{offset})
    return cannot_raise(input, name + " at " + to_hex(Vaddr{address}) +
                                   " is not what the file is loaded with there");
  return success();
}

Result<void> add_program_headers(const ElfView& input, WordList& words) {
  std::uint64_t index = 0;
  for (const auto& p : input.segments()) {
    const FileOffset at{input.header().e_phoff + index * sizeof(Elf64_Phdr)};
    const auto name = "program header " + std::to_string(index++);
    if (!is_about_memory(p)) continue;
    PUNSTER_TRY(check_place(input, words, name, p.p_vaddr, p.p_offset, p.p_filesz));
    words.add(at + Bytes{offsetof(Elf64_Phdr, p_vaddr)});
    if (p.p_paddr == p.p_vaddr) words.add(at + Bytes{offsetof(Elf64_Phdr, p_paddr)});
  }
  return success();
}

Result<void> add_section_headers(const ElfView& input, WordList& words) {
  std::uint64_t index = 0;
  for (const auto& s : input.sections()) {
    const FileOffset at{input.header().e_shoff + index * sizeof(Elf64_Shdr)};
    const auto name = "section " + std::to_string(index++);
    if (!(s.sh_flags & SHF_ALLOC)) continue;
    PUNSTER_TRY(check_place(input, words, name, s.sh_addr, s.sh_offset,
                            s.sh_type == SHT_NOBITS ? 0 : s.sh_size));
    words.add(at + Bytes{offsetof(Elf64_Shdr, sh_addr)});
  }
  return success();
}

}  // namespace

Result<void> add_headers(const ElfView& input, WordList& words) {
  if (const Vaddr entry{input.header().e_entry}; entry.value != 0) {
    if (!input.executable(entry))
      return cannot_raise(input, "its entry point " + to_hex(entry) + " is not in its code");
    words.add(FileOffset{offsetof(Elf64_Ehdr, e_entry)});
  }
  PUNSTER_TRY(add_program_headers(input, words));
  return add_section_headers(input, words);
}

}  // namespace punster
