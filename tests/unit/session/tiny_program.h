// The smallest program that sessions are tried with.

#pragma once

#include <elf.h>

#include <cstring>
#include <string>

namespace punster {

/// A static executable of one page: header, one segment, code at 0x400100.
inline std::string tiny_program() {
  std::string file(0x180, '\0');
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident,
              "\x7f"
              "ELF\x02\x01\x01",
              7);
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = 1;
  header.e_entry = 0x400100;
  header.e_phoff = 64;
  header.e_ehsize = 64;
  header.e_phentsize = 56;
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_flags = PF_R | PF_X;
  segment.p_vaddr = segment.p_paddr = 0x400000;
  segment.p_filesz = segment.p_memsz = file.size();
  segment.p_align = 0x1000;
  const unsigned char code[] = {
      0xb8, 0x3c, 0,    0,    0,                 // 100 mov eax, 60
      0x31, 0xff,                                // 105 xor edi, edi
      0xeb, 0x00,                                // 107 jmp 109
      0x48, 0x8b, 0x05, 0xf0, 0xfe, 0xff, 0xff,  // 109 mov rax, [400000]
      0xe8, 0x02, 0,    0,    0,                 // 110 call 117
      0x0f, 0x05,                                // 115 syscall
      0xc3,                                      // 117 ret
  };
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + 64, &segment, sizeof segment);
  std::memcpy(file.data() + 0x100, code, sizeof code);
  return file;
}

}  // namespace punster
