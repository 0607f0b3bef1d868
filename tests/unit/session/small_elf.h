// Small ELF files, written down byte by byte and stored in a temporary place.

#pragma once

#include <elf.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace punster {

/// A static executable whose segments lie in the file as in memory, from 0x400000 on. The first one holds
/// the headers.
class SmallElf {
 public:
  explicit SmallElf(std::size_t size) : file_(size) {}
  ~SmallElf() { std::filesystem::remove(path_); }
  SmallElf(const SmallElf&) = delete;
  SmallElf& operator=(const SmallElf&) = delete;

  static constexpr std::uint64_t base = 0x400000;

  /// [lo, hi) are offsets; `memory` bytes more than the file has are zeros (.bss).
  SmallElf& segment(std::uint64_t lo, std::uint64_t hi, std::uint32_t flags, std::uint64_t memory = 0) {
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_flags = flags;
    segment.p_offset = lo;
    segment.p_vaddr = segment.p_paddr = base + lo;
    segment.p_filesz = hi - lo;
    segment.p_memsz = hi - lo + memory;
    segment.p_align = 0x1000;
    segments_.push_back(segment);
    return *this;
  }
  SmallElf& section(std::uint64_t lo, std::uint64_t hi) {
    Elf64_Shdr section{};
    section.sh_type = SHT_PROGBITS;
    section.sh_flags = SHF_ALLOC | SHF_EXECINSTR;
    section.sh_addr = base + lo;
    section.sh_offset = lo;
    section.sh_size = hi - lo;
    sections_.push_back(section);
    return *this;
  }
  SmallElf& bytes(std::uint64_t at, const std::vector<std::uint8_t>& bytes) {
    std::copy(bytes.begin(), bytes.end(), file_.begin() + static_cast<std::ptrdiff_t>(at));
    return *this;
  }

  /// Writes the file; section headers stand behind everything.
  const std::filesystem::path& written() {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG "\x02\x01\x01", 7);
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_version = 1;
    header.e_entry = base + 0x100;
    header.e_phoff = 64;
    header.e_ehsize = 64;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<Elf64_Half>(segments_.size());
    auto image = file_;
    if (!sections_.empty()) {
      header.e_shoff = image.size();
      header.e_shentsize = sizeof(Elf64_Shdr);
      header.e_shnum = static_cast<Elf64_Half>(sections_.size() + 1);
      image.resize(image.size() + sizeof(Elf64_Shdr));  // the null section
      const auto* from = reinterpret_cast<const std::uint8_t*>(sections_.data());
      image.insert(image.end(), from, from + sections_.size() * sizeof(Elf64_Shdr));
    }
    std::memcpy(image.data(), &header, sizeof header);
    std::memcpy(image.data() + 64, segments_.data(), segments_.size() * sizeof(Elf64_Phdr));
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("punster-small-" + std::to_string(getpid()) + "-" + std::to_string(++count));
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
    return path_;
  }

 private:
  std::vector<std::uint8_t> file_;
  std::vector<Elf64_Phdr> segments_;
  std::vector<Elf64_Shdr> sections_;
  std::filesystem::path path_;
};

}  // namespace punster
