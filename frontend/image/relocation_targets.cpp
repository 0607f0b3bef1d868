#include "frontend/image/relocation_targets.h"

#include <algorithm>

namespace punster {
namespace {

class Collector {
 public:
  Collector(ByteView file, const ElfTables& tables, const DynamicTable& dynamic,
            const std::vector<Section>& code)
      : file_(file), tables_(tables), dynamic_(dynamic), code_(code),
        dynamic_symbols_(tables.from(file, dynamic.get_or_zero(DT_SYMTAB))) {}

  void add(std::uint64_t address) {
    if (address == 0)
      return;
    const auto after = std::ranges::upper_bound(code_, Vaddr{address}, {},
                                                [](const Section& s) { return s.range.lo; });
    if (after != code_.begin() && (after - 1)->range.contains(Vaddr{address}))
      targets_.push_back(Vaddr{address});
  }

  void add_rela(ByteView entries) {
    const std::uint64_t count = entries.size() / sizeof(Elf64_Rela);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto rela = *entries.read<Elf64_Rela>(i * sizeof(Elf64_Rela));
      const auto addend = static_cast<std::uint64_t>(rela.r_addend);
      switch (ELF64_R_TYPE(rela.r_info)) {
        case R_X86_64_RELATIVE:
        case R_X86_64_RELATIVE64:
        case R_X86_64_IRELATIVE:
          add(addend);
          break;
        case R_X86_64_64: {
          const std::uint64_t at = ELF64_R_SYM(rela.r_info) * sizeof(Elf64_Sym);
          const auto symbol = dynamic_symbols_.read<Elf64_Sym>(at);
          if (symbol && symbol->st_shndx != SHN_UNDEF)
            add(symbol->st_value + addend);
          break;
        }
        default:
          break;
      }
    }
  }

  // RELR: an even word is an address; an odd one says which of the next 63 words are relocated too.
  void add_relr(ByteView entries) {
    std::uint64_t next = 0;
    const auto relocated = [&](std::uint64_t where) {
      if (const auto word = tables_.from(file_, where).read<std::uint64_t>(0))
        add(*word);
    };
    for (std::uint64_t i = 0; i + 8 <= entries.size(); i += 8) {
      const std::uint64_t entry = *entries.read<std::uint64_t>(i);
      if ((entry & 1) == 0) {
        relocated(entry);
        next = entry + 8;
        continue;
      }
      for (unsigned bit = 1; bit < 64; ++bit)
        if (entry >> bit & 1)
          relocated(next + 8 * (bit - 1));
      next += 8 * 63;
    }
  }

  void add_words(ByteView words) {
    for (std::uint64_t i = 0; i + 8 <= words.size(); i += 8)
      add(*words.read<std::uint64_t>(i));
  }

  ByteView dynamic_range(std::int64_t address_tag, std::int64_t size_tag) const {
    const auto address = dynamic_.get(address_tag), size = dynamic_.get(size_tag);
    return address && size ? tables_.from(file_, *address).part(0, *size) : ByteView{};
  }

  std::vector<Vaddr> finish() && {
    std::ranges::sort(targets_);
    targets_.erase(std::unique(targets_.begin(), targets_.end()), targets_.end());
    return std::move(targets_);
  }

 private:
  ByteView file_;
  const ElfTables& tables_;
  const DynamicTable& dynamic_;
  const std::vector<Section>& code_;
  ByteView dynamic_symbols_;
  std::vector<Vaddr> targets_;
};

}  // namespace

std::vector<Vaddr> relocation_targets(ByteView file, const ElfTables& tables,
                                      const DynamicTable& dynamic,
                                      const std::vector<Section>& code) {
  Collector collect(file, tables, dynamic, code);
  collect.add(dynamic.get_or_zero(DT_INIT));
  collect.add(dynamic.get_or_zero(DT_FINI));
  collect.add_rela(collect.dynamic_range(DT_RELA, DT_RELASZ));
  collect.add_relr(collect.dynamic_range(DT_RELR, DT_RELRSZ));
  if (dynamic.get_or_zero(DT_PLTREL) == DT_RELA)
    collect.add_rela(collect.dynamic_range(DT_JMPREL, DT_PLTRELSZ));
  collect.add_words(collect.dynamic_range(DT_INIT_ARRAY, DT_INIT_ARRAYSZ));
  collect.add_words(collect.dynamic_range(DT_FINI_ARRAY, DT_FINI_ARRAYSZ));
  collect.add_words(collect.dynamic_range(DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ));
  if (!dynamic.present) {  // static executables tell by section only
    std::uint64_t budget = file.size();  // a hostile file names the same bytes again and again
    for (const Elf64_Shdr& s : tables.sections) {
      if (!(s.sh_flags & SHF_ALLOC) || s.sh_type == SHT_NOBITS || s.sh_size > budget)
        continue;
      budget -= s.sh_size;
      if (s.sh_type == SHT_RELA)
        collect.add_rela(ElfTables::contents(file, s));
      else if (s.sh_type == SHT_INIT_ARRAY || s.sh_type == SHT_FINI_ARRAY ||
               s.sh_type == SHT_PREINIT_ARRAY)
        collect.add_words(ElfTables::contents(file, s));
    }
  }
  return std::move(collect).finish();
}

}  // namespace punster
