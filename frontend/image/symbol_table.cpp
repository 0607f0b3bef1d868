#include "frontend/image/symbol_table.h"

#include <algorithm>
#include <tuple>

namespace punster {
namespace {

struct Table {
  ByteView entries, names;
};

// How many entries .dynsym has, when only the dynamic table is left to tell.
std::uint64_t dynamic_symbol_count(ByteView file, const ElfTables& tables,
                                   const DynamicTable& dynamic) {
  if (const auto hash = dynamic.get(DT_HASH))
    if (const auto chains = tables.from(file, *hash).read<std::uint32_t>(4))
      return *chains;
  const auto gnu_hash = dynamic.get(DT_GNU_HASH);
  if (!gnu_hash)
    return 0;
  const ByteView table = tables.from(file, *gnu_hash);
  const auto head = table.read<std::array<std::uint32_t, 4>>(0);
  if (!head)
    return 0;
  const auto [buckets, first, bloom_words, shift] = *head;
  const std::uint64_t buckets_at = 16 + 8ull * bloom_words;
  const std::uint64_t chains_at = buckets_at + 4ull * buckets;
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < buckets; ++i) {
    const auto symbol = table.read<std::uint32_t>(buckets_at + 4 * i);
    if (!symbol)
      return 0;
    last = std::max<std::uint64_t>(last, *symbol);
  }
  if (last < first)
    return first;
  for (;; ++last) {  // the lowest bit ends the last chain; a damaged one ends with the file
    const auto chain = table.read<std::uint32_t>(chains_at + 4 * (last - first));
    if (!chain)
      return 0;
    if (*chain & 1)
      return last + 1;
  }
}

std::vector<Table> symbol_tables(ByteView file, const ElfTables& tables,
                                 const DynamicTable& dynamic) {
  std::vector<Table> found;
  bool symtab = false, dynsym = false;  // one of each in any file that a linker made
  for (const Elf64_Shdr& s : tables.sections) {
    if ((s.sh_type != SHT_SYMTAB && s.sh_type != SHT_DYNSYM) ||
        s.sh_link >= tables.sections.size())
      continue;
    bool& seen = s.sh_type == SHT_DYNSYM ? dynsym : symtab;
    if (seen)
      continue;
    seen = true;
    found.push_back({ElfTables::contents(file, s),
                     ElfTables::contents(file, tables.sections[s.sh_link])});
  }
  if (!dynsym && dynamic.get(DT_SYMTAB)) {
    const ByteView entries = tables.from(file, dynamic.get_or_zero(DT_SYMTAB));
    const std::uint64_t count = dynamic_symbol_count(file, tables, dynamic);
    found.push_back({entries.part(0, std::min(entries.size(), count * sizeof(Elf64_Sym))),
                     tables.from(file, dynamic.get_or_zero(DT_STRTAB))});
  }
  return found;
}

std::optional<Symbol> symbol_from(const Elf64_Sym& entry, const Table& table) {
  const unsigned type = ELF64_ST_TYPE(entry.st_info);
  const bool function = type == STT_FUNC || type == STT_GNU_IFUNC;
  if (entry.st_shndx == SHN_UNDEF || entry.st_shndx == SHN_ABS ||
      (!function && type != STT_OBJECT && type != STT_NOTYPE))
    return std::nullopt;
  if (entry.st_value >> 47 != 0 || entry.st_size >> 47 != 0)
    return std::nullopt;
  std::string_view name = table.names.text(entry.st_name);
  name = name.substr(0, name.find('@'));
  if (name.empty())
    return std::nullopt;
  return Symbol{Vaddr{entry.st_value}, Bytes{entry.st_size}, std::string(name), function,
                type == STT_OBJECT};
}

void put_in_order(std::vector<Symbol>& symbols) {
  const auto key = [](const Symbol& s) {
    return std::tie(s.address, s.name, s.size, s.function, s.object);
  };
  std::ranges::sort(symbols, [&](const Symbol& a, const Symbol& b) { return key(a) < key(b); });
  const auto end = std::unique(symbols.begin(), symbols.end(),
                               [&](const Symbol& a, const Symbol& b) { return key(a) == key(b); });
  symbols.erase(end, symbols.end());
}

}  // namespace

std::vector<Symbol> read_symbols(ByteView file, const ElfTables& tables,
                                 const DynamicTable& dynamic) {
  std::vector<Symbol> symbols;
  for (const Table& table : symbol_tables(file, tables, dynamic)) {
    const std::uint64_t count = table.entries.size() / sizeof(Elf64_Sym);
    for (std::uint64_t i = 1; i < count; ++i)
      if (auto symbol = symbol_from(*table.entries.read<Elf64_Sym>(i * sizeof(Elf64_Sym)), table))
        symbols.push_back(std::move(*symbol));
  }
  put_in_order(symbols);
  return symbols;
}

void merge_symbols(std::vector<Symbol>& symbols, std::vector<Symbol> more) {
  symbols.insert(symbols.end(), std::make_move_iterator(more.begin()),
                 std::make_move_iterator(more.end()));
  put_in_order(symbols);
}

SymbolIndex::SymbolIndex(const std::vector<Symbol>& symbols) {
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const Symbol& s = symbols[i];
    std::uint64_t hi = s.address.value + s.size.value;
    if (s.size == Bytes{0}) {  // reaches to the next symbol at another address
      std::size_t next = i + 1;
      while (next < symbols.size() && symbols[next].address == s.address)
        ++next;
      hi = next < symbols.size() ? symbols[next].address.value : s.address.value + 1;
    }
    auto& extents = s.function ? functions_ : others_;
    const std::uint64_t reach = extents.empty() ? hi : std::max(hi, extents.back().reach);
    extents.push_back({s.address.value, hi, reach, &s});
  }
}

const Symbol* SymbolIndex::innermost(const std::vector<Extent>& extents, std::uint64_t address) {
  auto it = std::ranges::upper_bound(extents, address, {}, &Extent::lo);
  while (it != extents.begin()) {
    --it;
    if (it->reach <= address)
      break;
    if (address >= it->hi)
      continue;
    // Of aliases at one address the alphabetically first: names are sorted within an address.
    const Symbol* best = it->symbol;
    while (it != extents.begin() && (it - 1)->lo == best->address.value) {
      --it;
      if (address < it->hi)
        best = it->symbol;
    }
    return best;
  }
  return nullptr;
}

const Symbol* SymbolIndex::at(Vaddr address) const {
  if (const Symbol* function = innermost(functions_, address.value))
    return function;
  return innermost(others_, address.value);
}

}  // namespace punster
