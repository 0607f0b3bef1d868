// Two witnesses say where functions are: symbols and FDEs. Where both speak they mostly agree;
// where they do not (several entries into one piece of assembly, a function in two parts) every
// start begins a function of its own, and it ends where the next begins.

#include "backend/emit/functions.h"

#include <algorithm>

namespace punster {

Elf64_Sym SymbolTable::at(std::size_t i) const {
  Elf64_Sym symbol;
  std::memcpy(&symbol, symbols.data() + i * sizeof symbol, sizeof symbol);
  return symbol;
}

std::string_view SymbolTable::name(const Elf64_Sym& symbol) const {
  if (symbol.st_name >= names.size()) return {};
  return reinterpret_cast<const char*>(names.data()) + symbol.st_name;
}

std::optional<SymbolTable> symbol_table(const ElfView& input, std::uint32_t type) {
  const auto sections = input.sections();
  for (std::uint32_t i = 0; i < sections.size(); ++i) {
    const auto& s = sections[i];
    if (s.sh_type != type) continue;
    if (s.sh_entsize != sizeof(Elf64_Sym) || s.sh_link >= sections.size()) return std::nullopt;
    const auto& names = sections[s.sh_link];
    SymbolTable table{i, s.sh_link, input.contents(s), input.contents(names)};
    if (names.sh_type != SHT_STRTAB || table.count() == 0 || table.names.empty() ||
        table.names.back() != 0)
      return std::nullopt;
    return table;
  }
  return std::nullopt;
}

namespace {

struct Start {
  Vaddr at, end;  // end == at: not known
  std::string_view name;
};

std::vector<Start> starts_of(std::span<const SymbolTable> tables, const CallFrames& frames) {
  std::vector<Start> starts;
  for (const auto& entry : frames.entries) starts.push_back({entry.range.lo, entry.range.hi, {}});
  for (const auto& table : tables)
    for (std::size_t i = 1; i < table.count(); ++i) {
      const auto symbol = table.at(i);
      const auto type = ELF64_ST_TYPE(symbol.st_info);
      if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF ||
          symbol.st_shndx == SHN_ABS)
        continue;
      auto name = table.name(symbol);
      name = name.substr(0, name.find('@'));
      const Vaddr at{symbol.st_value}, end = at + Bytes{symbol.st_size};
      if (!name.empty() && at <= end) starts.push_back({at, end, name});
    }
  std::sort(starts.begin(), starts.end(), [](const Start& a, const Start& b) {
    if (a.at != b.at) return a.at < b.at;
    if (a.name.empty() != b.name.empty()) return b.name.empty();
    return a.name < b.name;
  });
  return starts;
}

/// One start per address: the first name, the furthest end.
void join_aliases(std::vector<Start>& starts) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    if (kept > 0 && starts[kept - 1].at == starts[i].at)
      starts[kept - 1].end = std::max(starts[kept - 1].end, starts[i].end);
    else
      starts[kept++] = starts[i];
  }
  starts.resize(kept);
}

}  // namespace

std::vector<FunctionBodies> functions_with_bodies(std::span<const SymbolTable> tables,
                                                  const CallFrames& frames,
                                                  const BodyList& bodies) {
  auto starts = starts_of(tables, frames);
  join_aliases(starts);
  std::vector<FunctionBodies> functions;
  std::size_t k = 0;
  Vaddr reach;  // the furthest end of what began so far: an inner start without a size ends there
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto& start = starts[i];
    reach = std::max(reach, start.end);
    const auto next = i + 1 < starts.size() ? starts[i + 1].at : Vaddr{~std::uint64_t{0}};
    const auto end = reach > start.at ? std::min(reach, next) : next;
    const auto first = body_at_or_behind(bodies, k, start.at);
    k = body_at_or_behind(bodies, first, end);
    if (first == k) continue;
    const auto last = bodies.at(k - 1);
    functions.push_back(
        {start.name, start.at, {bodies.at(first).body, last.body + Bytes{last.size}}});
  }
  return functions;
}

}  // namespace punster
