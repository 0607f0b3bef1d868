// Why these checks stand here although LIEF parses the same tables: LIEF 0.9 trusts counts and
// offsets in places (a hostile file can make it allocate without bound or read out of range), and a
// rewriter must refuse what it does not understand, where a viewer may shrug. What passes is what
// kernel and ld.so accept, minus files whose section headers contradict their segments: there, nobody
// could say which bytes of the file a section's addresses mean.

#include "frontend/image/elf_tables.h"

#include <algorithm>

#include "protocol/hex.h"

namespace punster {
namespace {

constexpr std::uint64_t address_space = 1ull << 47;
// Linux refuses executables whose table exceeds a page or 64 KiB; ld.so takes any. Nothing real has
// more than a hundred; the cap bounds what LIEF allocates for a hostile file.
constexpr std::size_t most_programs = 1024;
constexpr std::size_t most_sections = 10'000;

struct Checker {
  ByteView file;
  const std::string& name;

  Error malformed(const std::string& what) const { return error("malformed", name + ": " + what); }

  Result<void> identify() const {
    const auto ident = file.read<std::array<unsigned char, EI_NIDENT>>(0);
    const auto magic = file.part(0, SELFMAG).bytes();
    if (magic.empty() || std::memcmp(magic.data(), ELFMAG, SELFMAG) != 0)
      return error("not_elf", name + ": is not an ELF file");
    if (!ident)
      return malformed("is cut off inside the ELF header");
    if ((*ident)[EI_CLASS] != ELFCLASS64)
      return (*ident)[EI_CLASS] == ELFCLASS32
                 ? error("unsupported_class", name + ": is a 32-bit file; only x86-64 is supported")
                 : malformed("has an unknown ELF class");
    if ((*ident)[EI_DATA] != ELFDATA2LSB)
      return (*ident)[EI_DATA] == ELFDATA2MSB
                 ? error("unsupported_byte_order", name + ": is big-endian; only x86-64 is supported")
                 : malformed("has an unknown byte order");
    return success();
  }

  Result<void> check_header(const Elf64_Ehdr& header) const {
    if (header.e_machine != EM_X86_64)
      return error("unsupported_machine", name + ": is made for another machine (e_machine " +
                                              std::to_string(header.e_machine) +
                                              "); only x86-64 is supported");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
      return error("unsupported_type",
                   name + (header.e_type == ET_REL    ? ": is an object file; link it first"
                           : header.e_type == ET_CORE ? ": is a core dump"
                                                      : ": is neither a program nor a library"));
    if (header.e_version != EV_CURRENT || header.e_ident[EI_VERSION] != EV_CURRENT)
      return malformed("has an unknown ELF version");
    if (header.e_phnum == 0)
      return malformed("has no program headers");
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > most_programs)
      return malformed("has an impossible program header table");
    return success();
  }

  Result<Elf64_Ehdr> read_header() const {
    PUNSTER_TRY(identify());
    const auto header = file.read<Elf64_Ehdr>(0);
    if (!header) return malformed("is cut off inside the ELF header");
    PUNSTER_TRY(check_header(*header));
    return *header;
  }

  Result<void> check_loads(const std::vector<Elf64_Phdr>& programs) const {
    std::uint64_t reached = 0;
    bool any = false;
    for (const Elf64_Phdr& load : programs) {
      if (load.p_type != PT_LOAD)
        continue;
      const std::string at = "segment at " + to_hex(Vaddr{load.p_vaddr}) + " ";
      if (load.p_filesz > load.p_memsz)
        return malformed(at + "has more bytes in the file than in memory");
      if (!file.holds(load.p_offset, load.p_filesz))
        return malformed(at + "runs past the end of the file");
      if (load.p_vaddr >= address_space || load.p_memsz > address_space - load.p_vaddr)
        return malformed(at + "runs past the end of the address space");
      if ((load.p_vaddr - load.p_offset) % page_size.value != 0)
        return malformed(at + "has an address that does not fit its file offset");
      if (any && load.p_vaddr < reached)
        return malformed(at + "overlaps or precedes the segment before it");
      any = true;
      reached = load.p_vaddr + load.p_memsz;
    }
    if (!any)
      return malformed("has no segment to load");
    return success();
  }

  // Executable sections against segments and against each other.
  Result<void> check_code_sections(const ElfTables& tables) const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const Elf64_Shdr& s : tables.sections) {
      if (!(s.sh_flags & SHF_ALLOC) || !(s.sh_flags & SHF_EXECINSTR) || s.sh_type == SHT_NOBITS ||
          s.sh_type == SHT_NULL || s.sh_size == 0)
        continue;
      const bool inside = std::ranges::any_of(tables.programs, [&](const Elf64_Phdr& load) {
        return load.p_type == PT_LOAD && (load.p_flags & PF_X) && s.sh_addr >= load.p_vaddr &&
               s.sh_addr - load.p_vaddr <= load.p_filesz &&
               s.sh_size <= load.p_filesz - (s.sh_addr - load.p_vaddr) &&
               s.sh_offset - load.p_offset == s.sh_addr - load.p_vaddr;
      });
      if (!inside)
        return malformed("the executable section at " + to_hex(Vaddr{s.sh_addr}) +
                         " contradicts the program headers");
      ranges.emplace_back(s.sh_addr, s.sh_addr + s.sh_size);
    }
    std::ranges::sort(ranges);
    for (std::size_t i = 1; i < ranges.size(); ++i)
      if (ranges[i].first < ranges[i - 1].second)
        return malformed("executable sections overlap at " + to_hex(Vaddr{ranges[i].first}));
    return success();
  }

  Result<void> read_sections(ElfTables& tables) const {
    const Elf64_Ehdr& header = tables.header;
    if (header.e_shoff == 0)
      return success();
    std::uint64_t count = header.e_shnum;
    std::uint64_t names = header.e_shstrndx;
    const auto first = file.read<Elf64_Shdr>(header.e_shoff);
    if (header.e_shnum == 0 && !first)
      return success();  // no table; some strippers leave a stale e_shoff
    if (header.e_shentsize != sizeof(Elf64_Shdr) || !first)
      return malformed("has an impossible section header table");
    if (count == 0)
      count = first->sh_size;
    if (names == SHN_XINDEX)
      names = first->sh_link;
    if (count > most_sections || !file.holds(header.e_shoff, count * sizeof(Elf64_Shdr)))
      return malformed("the section header table runs past the end of the file");
    tables.sections.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i)
      tables.sections.push_back(*file.read<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr)));
    for (const Elf64_Shdr& s : tables.sections)
      if (s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL && !file.holds(s.sh_offset, s.sh_size))
        return malformed("a section runs past the end of the file");
    if (names != SHN_UNDEF) {
      if (names >= count || tables.sections[names].sh_type != SHT_STRTAB)
        return malformed("has an impossible section name table");
      tables.section_names = ElfTables::contents(file, tables.sections[names]);
    }
    return success();
  }
};

}  // namespace

Result<ElfTables> ElfTables::read(ByteView file, const std::string& name) {
  const Checker check{file, name};
  ElfTables tables;
  PUNSTER_TRY(tables.header, check.read_header());
  const Elf64_Ehdr& header = tables.header;
  if (!file.holds(header.e_phoff, header.e_phnum * sizeof(Elf64_Phdr)))
    return check.malformed("the program header table runs past the end of the file");
  for (std::size_t i = 0; i < header.e_phnum; ++i)
    tables.programs.push_back(*file.read<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr)));
  PUNSTER_TRY(check.check_loads(tables.programs));
  PUNSTER_TRY(check.read_sections(tables));
  PUNSTER_TRY(check.check_code_sections(tables));
  return tables;
}

Result<ElfTables> ElfTables::read_sections_only(ByteView file, const std::string& name) {
  const Checker check{file, name};
  ElfTables tables;
  PUNSTER_TRY(tables.header, check.read_header());
  PUNSTER_TRY(check.read_sections(tables));
  return tables;
}

const Elf64_Phdr* ElfTables::program(std::uint32_t type) const {
  const auto it = std::ranges::find(programs, type, &Elf64_Phdr::p_type);
  return it == programs.end() ? nullptr : &*it;
}

ByteView ElfTables::contents(ByteView file, const Elf64_Shdr& section) {
  return section.sh_type == SHT_NOBITS ? ByteView{} : file.part(section.sh_offset, section.sh_size);
}

ByteView ElfTables::from(ByteView file, std::uint64_t address) const {
  for (const Elf64_Phdr& load : programs)
    if (load.p_type == PT_LOAD && address >= load.p_vaddr && address - load.p_vaddr < load.p_filesz)
      return file.part(load.p_offset + (address - load.p_vaddr),
                       load.p_filesz - (address - load.p_vaddr));
  return {};
}

}  // namespace punster
