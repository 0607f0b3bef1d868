// Builds small ELF files in memory, byte by byte, so that tests need neither compiler nor fixtures.

#pragma once

#include <elf.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "frontend/image/code_map.h"
#include "frontend/image/image.h"

namespace punster::test {

using ByteVector = std::vector<std::uint8_t>;

template <typename T>
void put(ByteVector& bytes, std::size_t at, const T& value) {
  if (bytes.size() < at + sizeof(T))
    bytes.resize(at + sizeof(T));
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

/// A position-independent program of one readable and executable segment, linked at 0:
///   0x0000 headers | 0x1000 .text | 0x2000 .eh_frame | 0x3000 .symtab, .strtab, section headers
struct ElfSample {
  static constexpr std::uint64_t text = 0x1000, frames = 0x2000, tables = 0x3000;
  struct Named {
    std::string name;
    std::uint64_t offset, size;
    unsigned char type;
  };
  struct Function {
    std::uint64_t offset, size;
  };
  ByteVector code;
  std::vector<Named> symbols;
  std::vector<Function> unwind;
  std::uint64_t entry = text;  // 0: none
  bool section_headers = true;

  [[nodiscard]] ByteVector build() const;
};

/// One CIE and an FDE for each function, with 64-bit absolute pointers.
inline ByteVector eh_frame(const std::vector<ElfSample::Function>& functions, std::uint64_t text) {
  ByteVector out;
  const std::uint8_t cie[] = {12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0x78, 16, 0, 0, 0};
  out.insert(out.end(), cie, cie + sizeof cie);
  for (const auto& f : functions) {
    const std::size_t at = out.size();
    put(out, at, std::uint32_t{20});
    put(out, at + 4, static_cast<std::uint32_t>(at + 4));  // back to the CIE at 0
    put(out, at + 8, text + f.offset);
    put(out, at + 16, f.size);
  }
  put(out, out.size(), std::uint32_t{0});
  return out;
}

inline ByteVector ElfSample::build() const {
  ByteVector file;
  const ByteVector frame_bytes = eh_frame(unwind, text);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = entry;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 2;
  header.e_shentsize = sizeof(Elf64_Shdr);
  Elf64_Phdr load{};
  load.p_type = PT_LOAD;
  load.p_flags = PF_R | PF_X;
  load.p_align = 0x1000;
  load.p_filesz = load.p_memsz = frames + frame_bytes.size();
  Elf64_Phdr interpreter{};
  interpreter.p_type = PT_INTERP;

  file.resize(tables);
  std::memcpy(file.data() + text, code.data(), code.size());
  std::memcpy(file.data() + frames, frame_bytes.data(), frame_bytes.size());
  put(file, sizeof header, load);
  put(file, sizeof header + sizeof load, interpreter);
  if (section_headers) {
    std::string strings(1, '\0');
    std::vector<Elf64_Sym> entries(1);
    for (const Named& s : symbols) {
      Elf64_Sym symbol{};
      symbol.st_name = static_cast<Elf64_Word>(strings.size());
      strings += s.name + '\0';
      symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, s.type);
      symbol.st_shndx = 1;
      symbol.st_value = text + s.offset;
      symbol.st_size = s.size;
      entries.push_back(symbol);
    }
    const auto name = [&](const char* n) {
      const auto at = static_cast<Elf64_Word>(strings.size());
      strings += std::string(n) + '\0';
      return at;
    };
    const std::size_t symbols_size = entries.size() * sizeof(Elf64_Sym);
    const Elf64_Shdr sections[] = {
        {},
        {name(".text"), SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, text, text, code.size(), 0, 0, 16, 0},
        {name(".eh_frame"), SHT_PROGBITS, SHF_ALLOC, frames, frames, frame_bytes.size(), 0, 0, 8, 0},
        {name(".symtab"), SHT_SYMTAB, 0, 0, tables, symbols_size, 4, 1, 8, sizeof(Elf64_Sym)},
        {name(".strtab"), SHT_STRTAB, 0, 0, tables + symbols_size, strings.size() + 8, 0, 0, 1, 0},
    };
    for (const Elf64_Sym& entry_symbol : entries)
      put(file, file.size(), entry_symbol);
    strings.resize(strings.size() + 8);
    file.insert(file.end(), strings.begin(), strings.end());
    header.e_shoff = file.size();
    header.e_shnum = 5;
    header.e_shstrndx = 4;
    for (const Elf64_Shdr& section : sections)
      put(file, file.size(), section);
  }
  put(file, 0, header);
  return file;
}

/// A file that disappears with its owner.
class TemporaryFile {
 public:
  explicit TemporaryFile(const ByteVector& bytes) {
    std::string pattern = (std::filesystem::temp_directory_path() / "punster-test-XXXXXX").string();
    const int fd = mkstemp(pattern.data());
    if (fd >= 0)
      close(fd);
    path_ = pattern;
    rewrite(bytes);
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  void rewrite(const ByteVector& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline ByteVector read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline Result<Image> open_bytes(const ByteVector& bytes) {
  const TemporaryFile file(bytes);
  return Image::open(file.path());
}

inline std::string open_error(const ByteVector& bytes) {
  const auto image = open_bytes(bytes);
  return image ? "opened" : image.error().kind;
}

inline CodeMap map_of(const ElfSample& sample) {
  return analyse(open_bytes(sample.build()).value()).value();
}

/// The class of the byte at `offset` of .text.
inline ByteClass class_at(const CodeMap& map, std::uint64_t offset) {
  for (const ClassRange& r : map.ranges)
    if (r.range.contains(Vaddr{ElfSample::text + offset}))
      return r.kind;
  FAIL("no class for offset " << offset);
  return ByteClass::doubt;
}

/// Offsets into .text of all instructions.
inline std::vector<std::uint64_t> starts(const CodeMap& map) {
  std::vector<std::uint64_t> found;
  for (const Insn& insn : map.instructions)
    found.push_back(insn.address().value - ElfSample::text);
  return found;
}

}  // namespace punster::test
