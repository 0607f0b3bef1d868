// Which binding? Local symbols stand before all others, and putting ours among them would move the
// rest, which relocations that a linker kept (--emit-relocs) refer to by index. So ours come last,
// and are weak: several functions may have one name, and nobody minds two weak definitions.
//
// A file without .symtab gets one. Tools that find a .symtab do not look into .dynsym any more
// (objdump -d, elfutils, perf before 6.0), so it begins with the functions of .dynsym.

#include "backend/emit/symbols.h"

#include <algorithm>

#include "protocol/hex.h"

namespace punster {
namespace {

class SymbolWriter {
 public:
  explicit SymbolWriter(SymbolSections& out) : out_(out) {}

  void add(Elf64_Sym symbol, std::string_view name) {
    symbol.st_name = static_cast<Elf64_Word>(out_.names.size());
    out_.names.insert(out_.names.end(), name.begin(), name.end());
    out_.names.push_back(0);
    add(symbol);
  }
  void add(const Elf64_Sym& symbol) {
    const auto at = out_.symbols.size();
    out_.symbols.resize(at + sizeof symbol);
    std::memcpy(out_.symbols.data() + at, &symbol, sizeof symbol);
  }

 private:
  SymbolSections& out_;
};

Elf64_Sym trampoline_symbol(AddressRange range, std::uint32_t section) {
  Elf64_Sym symbol{};
  symbol.st_info = ELF64_ST_INFO(STB_WEAK, STT_FUNC);
  symbol.st_shndx = static_cast<Elf64_Section>(section);
  symbol.st_value = range.lo.value;
  symbol.st_size = range.size().value;
  return symbol;
}

SymbolSections extended(const ElfView& input, const SymbolTable& old) {
  SymbolSections out;
  out.symbols.assign(old.symbols.begin(), old.symbols.end());
  out.names.assign(old.names.begin(), old.names.end());
  out.locals = input.sections()[old.section].sh_info;
  out.symbols_section = old.section;
  // Where the sections' own names share the table, symbols get one of their own.
  out.names_section = old.names_section == input.names_section() ? 0 : old.names_section;
  return out;
}

SymbolSections from_dynamic(const ElfView& input) {
  SymbolSections out;
  SymbolWriter writer(out);
  writer.add(Elf64_Sym{}, "");
  out.locals = 1;
  const auto dynamic = symbol_table(input, SHT_DYNSYM);
  for (std::size_t i = 1; dynamic && i < dynamic->count(); ++i) {
    const auto symbol = dynamic->at(i);
    const auto type = ELF64_ST_TYPE(symbol.st_info);
    if (symbol.st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_GNU_IFUNC)) continue;
    if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL) writer.add(symbol, dynamic->name(symbol));
  }
  return out;
}

}  // namespace

std::optional<SymbolSections> symbols_of_trampolines(const ElfView& input,
                                                     const std::vector<FunctionBodies>& functions,
                                                     std::vector<TrampolineSection>& sections,
                                                     std::uint32_t first_index) {
  bool has_table = false;
  for (const auto& s : input.sections()) {
    if (s.sh_type == SHT_SYMTAB_SHNDX) return std::nullopt;
    has_table = has_table || s.sh_type == SHT_SYMTAB;
  }
  const auto old = symbol_table(input, SHT_SYMTAB);
  if (has_table && !old) return std::nullopt;
  auto out = old ? extended(input, *old) : from_dynamic(input);

  SymbolWriter writer(out);
  const auto index_of = [&](const TrampolineSection& section) {
    return first_index + static_cast<std::uint32_t>(&section - sections.data());
  };
  for (const auto& f : functions) {
    auto* section = section_of(sections, f.bodies);
    if (!section) continue;
    section->holds_bodies = true;
    const std::string name = f.name.empty() ? "sub_" + to_hex(f.function) : std::string(f.name);
    writer.add(trampoline_symbol(f.bodies, index_of(*section)), name + ".trampolines");
  }
  for (const auto& section : sections)
    if (!section.holds_bodies)
      writer.add(trampoline_symbol(section.range, index_of(section)), "punster.stubs");
  return out;
}

}  // namespace punster
