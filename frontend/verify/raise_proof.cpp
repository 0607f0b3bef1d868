// Written from the ABI's documents, not from the rewriter: nothing is shared with it. Nothing is
// refused here either. What is no address in a strange file is lowered for nothing, and then
// differs.

#include "frontend/verify/raise_proof.h"

#include <algorithm>
#include <cstddef>
#include <set>

#include "frontend/verify/dynamic_table.h"
#include "protocol/hex.h"

namespace punster {
namespace {

// System V gABI, chapter 5 (the d_ptr column), its GNU extensions, the x86-64 psABI.
bool holds_address(std::int64_t tag) {
  static const std::set<std::int64_t> pointers = {
      DT_PLTGOT,        DT_HASH,         DT_STRTAB,     DT_SYMTAB,     DT_RELA,
      DT_INIT,          DT_FINI,         DT_JMPREL,     DT_INIT_ARRAY, DT_FINI_ARRAY,
      DT_PREINIT_ARRAY, DT_SYMTAB_SHNDX, 36 /* RELR */, DT_GNU_HASH,   DT_TLSDESC_PLT,
      DT_TLSDESC_GOT,   DT_VERSYM,       DT_VERDEF,     DT_VERNEED,    0x70000000 /* X86_64_PLT */};
  return pointers.count(tag) != 0;
}

class Finder {
 public:
  Finder(const PatchedImage& original, const PatchedImage& patched)
      : original_(original), dynamic_(original), now_(patched) {}

  std::vector<std::uint64_t> run() {
    headers();
    sections();
    // The entry that a hook adds stands where the original had an end mark.
    for (const auto& entry : now_.entries())
      if (holds_address(entry.value.d_tag)) add(entry.offset + offsetof(Elf64_Dyn, d_un));
    relocations(DT_RELA, DT_RELASZ);
    relocations(DT_JMPREL, DT_PLTRELSZ);
    packed_relocations();
    global_offset_table();
    return {words_.begin(), words_.end()};
  }

 private:
  template <typename T>
  [[nodiscard]] std::optional<T> at(std::uint64_t offset) const {
    return value_at<T>(original_.file(), offset);
  }
  void add(std::uint64_t offset) {
    if (at<std::uint64_t>(offset)) words_.insert(offset);
  }

  void headers() {
    const Elf64_Ehdr& elf = original_.elf_header();
    if (elf.e_entry != 0) add(offsetof(Elf64_Ehdr, e_entry));
    for (std::uint64_t i = 0; i < original_.segments().size(); ++i) {
      const Elf64_Phdr& p = original_.segments()[i];
      if (p.p_type == PT_GNU_STACK || (p.p_vaddr == 0 && p.p_memsz == 0)) continue;
      const auto here = elf.e_phoff + i * sizeof p;
      add(here + offsetof(Elf64_Phdr, p_vaddr));
      if (p.p_paddr == p.p_vaddr) add(here + offsetof(Elf64_Phdr, p_paddr));
    }
  }

  void sections() {
    const Elf64_Ehdr& elf = original_.elf_header();
    std::vector<Elf64_Shdr> headers;
    for (std::uint64_t i = 0; elf.e_shoff != 0 && i < elf.e_shnum; ++i)
      if (const auto header = at<Elf64_Shdr>(elf.e_shoff + i * sizeof(Elf64_Shdr)))
        headers.push_back(*header);
    for (std::size_t i = 0; i < headers.size(); ++i) {
      if ((headers[i].sh_flags & SHF_ALLOC) != 0)
        add(elf.e_shoff + i * sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, sh_addr));
      if (headers[i].sh_type == SHT_SYMTAB || headers[i].sh_type == SHT_DYNSYM)
        symbols(headers[i].sh_offset, headers[i].sh_size / sizeof(Elf64_Sym), headers);
    }
    if (std::none_of(headers.begin(), headers.end(),
                     [](const Elf64_Shdr& s) { return s.sh_type == SHT_DYNSYM; }))
      dynamic_symbols();
  }

  // Without section headers: linkers put the names right behind the symbols.
  void dynamic_symbols() {
    const auto table = dynamic_.value(DT_SYMTAB), names = dynamic_.value(DT_STRTAB);
    const auto offset = table ? offset_of(original_, *table) : std::nullopt;
    if (offset && names && *names > *table)
      symbols(*offset, (*names - *table) / sizeof(Elf64_Sym), {});
  }

  void symbols(std::uint64_t offset, std::uint64_t count, const std::vector<Elf64_Shdr>& headers) {
    for (std::uint64_t i = 1; i < count; ++i) {
      const auto here = offset + i * sizeof(Elf64_Sym);
      const auto symbol = at<Elf64_Sym>(here);
      if (!symbol) return;
      const auto section = symbol->st_shndx;
      const bool reserved = section >= SHN_LORESERVE && section != SHN_XINDEX;
      const bool elsewhere = section < headers.size() && section != SHN_UNDEF &&
                             (headers[section].sh_flags & SHF_ALLOC) == 0;
      const bool unset = section == SHN_UNDEF && symbol->st_value == 0;
      if (!reserved && !elsewhere && !unset && ELF64_ST_TYPE(symbol->st_info) != STT_TLS)
        add(here + offsetof(Elf64_Sym, st_value));
    }
  }

  void relocations(std::int64_t tag, std::int64_t size_tag) {
    const auto table = dynamic_.value(tag), size = dynamic_.value(size_tag);
    const auto offset = table ? offset_of(original_, *table) : std::nullopt;
    if (!offset || !size) return;
    const bool marked = dynamic_.value(0x70000000).has_value();
    for (std::uint64_t i = 0; i + sizeof(Elf64_Rela) <= *size; i += sizeof(Elf64_Rela)) {
      const auto rela = at<Elf64_Rela>(*offset + i);
      if (!rela) return;
      const auto type = ELF64_R_TYPE(rela->r_info);
      if (type == R_X86_64_NONE) continue;
      add(*offset + i + offsetof(Elf64_Rela, r_offset));
      const bool based = type == R_X86_64_RELATIVE || type == R_X86_64_IRELATIVE;
      if (based || (type == R_X86_64_JUMP_SLOT && marked && rela->r_addend != 0))
        add(*offset + i + offsetof(Elf64_Rela, r_addend));
      if (type == R_X86_64_JUMP_SLOT) word_in_place(rela->r_offset);
    }
  }

  /// What ld.so adds its load address to; an empty one stays empty.
  void word_in_place(std::uint64_t address) {
    const auto offset = offset_of(original_, address);
    if (offset && at<std::uint64_t>(*offset).value_or(0) != 0) add(*offset);
  }

  void packed_relocations() {
    const auto table = dynamic_.value(36), size = dynamic_.value(35);
    const auto offset = table ? offset_of(original_, *table) : std::nullopt;
    std::uint64_t base = 0;
    for (std::uint64_t i = 0; offset && size && i + 8 <= *size; i += 8) {
      const auto entry = at<std::uint64_t>(*offset + i);
      if (!entry) return;
      if ((*entry & 1) == 0) {
        add(*offset + i);
        in_place_even_when_zero(*entry);
        base = *entry + 8;
      } else {
        std::uint64_t where = base;
        for (auto bits = *entry >> 1; bits != 0; bits >>= 1, where += 8)
          if ((bits & 1) != 0) in_place_even_when_zero(where);
        base += 63 * 8;
      }
    }
  }

  void in_place_even_when_zero(std::uint64_t address) {
    if (const auto offset = offset_of(original_, address)) add(*offset);
  }

  void global_offset_table() {
    const auto table = dynamic_.value(DT_PLTGOT);
    const auto offset = table ? offset_of(original_, *table) : std::nullopt;
    const auto first = offset ? at<std::uint64_t>(*offset) : std::nullopt;
    if (!first) return;
    for (const Elf64_Phdr& segment : original_.segments())
      if (segment.p_type == PT_DYNAMIC && *first == segment.p_vaddr) add(*offset);
  }

  const PatchedImage& original_;
  const DynamicEntries dynamic_, now_;
  std::set<std::uint64_t> words_;
};

bool is_loaded(const PatchedImage& image, std::uint64_t offset) {
  return offset < sizeof(Elf64_Ehdr) ||
         std::any_of(image.segments().begin(), image.segments().end(), [&](const Elf64_Phdr& p) {
           return p.p_type == PT_LOAD && p.p_offset <= offset && offset - p.p_offset < p.p_filesz;
         });
}

}  // namespace

std::vector<std::uint64_t> words_with_addresses(const PatchedImage& original,
                                                const PatchedImage& patched) {
  return Finder(original, patched).run();
}

void undo_raise(const PatchedImage& original, PatchedImage& patched, FailureLog& log) {
  const auto by = patched.raised_by().value;
  if (by == 0) return;
  if (original.elf_header().e_type != ET_DYN)
    log.add("raise", "a file with a fixed address was raised");
  if (by % page_size.value != 0)
    log.add("raise", "the raise by " + to_hex(Vaddr{by}) + " is no whole number of pages");
  for (const Elf64_Phdr& segment : original.segments())
    if (segment.p_align > 1 && by % segment.p_align != 0)
      log.add(Vaddr{segment.p_vaddr}, "raise",
              "the raise by " + to_hex(Vaddr{by}) + " breaks the alignment of the segment at " +
                  to_hex(Vaddr{segment.p_vaddr}));
  auto words = words_with_addresses(original, patched);
  // Where `strip` was, other things stand where symbols and section headers stood.
  if (patched.was_moved())
    std::erase_if(words, [&](std::uint64_t word) { return !is_loaded(original, word); });
  patched.lower(words);
}

}  // namespace punster
