// Values of symbols: .dynsym, which ld.so reads, and .symtab, which tools do.

#include <algorithm>

#include "backend/raise/carriers.h"

namespace punster {
namespace {

constexpr std::uint16_t large_common = 0xff02;  // SHN_X86_64_LCOMMON: the value is an alignment

/// How many entries ld.so can reach: through DT_HASH it says so, through DT_GNU_HASH the last chain
/// ends it.
Result<std::uint64_t> count_by_hash(const ElfView& input, const DynamicSection& dynamic) {
  const auto word = [&](std::uint64_t address) -> Result<std::uint32_t> {
    const auto bytes = input.bytes_at(Vaddr{address}, Bytes{4});
    if (bytes.size() != 4) return cannot_raise(input, "its hash table is cut off");
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  };
  if (const auto hash = dynamic.find(DT_HASH)) {
    PUNSTER_TRY(const auto count, word(hash->value + 4));
    return std::uint64_t{count};
  }
  const auto hash = dynamic.find(DT_GNU_HASH);
  if (!hash) return std::uint64_t{0};
  PUNSTER_TRY(const auto buckets, word(hash->value));
  PUNSTER_TRY(const auto first, word(hash->value + 4));
  PUNSTER_TRY(const auto bloom, word(hash->value + 8));
  const auto bucket_table = hash->value + 16 + std::uint64_t{bloom} * 8;
  const auto chains = bucket_table + std::uint64_t{buckets} * 4;
  std::uint64_t last = 0;
  for (std::uint64_t b = 0; b < buckets; ++b) {
    PUNSTER_TRY(const auto start, word(bucket_table + b * 4));
    last = std::max<std::uint64_t>(last, start);
  }
  if (last < first) return std::uint64_t{first};
  for (;; ++last) {
    PUNSTER_TRY(const auto link, word(chains + (last - first) * 4));
    if (link & 1) return last + 1;
  }
}

class SymbolReader {
 public:
  SymbolReader(const ElfView& input, WordList& words) : input_(input), words_(words) {}

  Result<void> add_table(FileOffset table, std::uint64_t count) {
    for (std::uint64_t i = 1; i < count; ++i) {
      const FileOffset at = table + Bytes{i * sizeof(Elf64_Sym)};
      PUNSTER_TRY(const auto symbol, input_.read<Elf64_Sym>(at));
      PUNSTER_TRY(const bool moves, is_address(symbol, i));
      if (moves) words_.add(at + Bytes{offsetof(Elf64_Sym, st_value)});
    }
    return success();
  }

 private:
  Result<bool> is_address(const Elf64_Sym& symbol, std::uint64_t index) const {
    const auto refused = [&](const std::string& what) {
      return cannot_raise(input_, "symbol " + std::to_string(index) + " (" +
                                      to_hex(Vaddr{symbol.st_value}) + ") " + what);
    };
    if (ELF64_ST_TYPE(symbol.st_info) == STT_TLS) return false;
    const auto section = symbol.st_shndx;
    // Undefined with a value: an entry of the linkage table that stands for the function.
    if (section == SHN_UNDEF && symbol.st_value == 0) return false;
    if (section == SHN_ABS || section == SHN_COMMON || section == large_common) return false;
    if (section >= SHN_LORESERVE && section != SHN_XINDEX)
      return refused("is in an unknown kind of section");
    const auto sections = input_.sections();
    if (section < SHN_LORESERVE && section != SHN_UNDEF && section < sections.size() &&
        !(sections[section].sh_flags & SHF_ALLOC))
      return false;
    if (!words_.near_image(symbol.st_value)) return refused("does not lie in the image");
    return true;
  }

  const ElfView& input_;
  WordList& words_;
};

}  // namespace

Result<void> add_symbols(const ElfView& input, const DynamicSection& dynamic, WordList& words) {
  SymbolReader reader(input, words);
  std::optional<FileOffset> dynamic_table;
  if (const auto table = dynamic.find(DT_SYMTAB)) {
    dynamic_table = input.to_offset(Vaddr{table->value});
    if (!dynamic_table) return cannot_raise(input, "its dynamic symbols do not lie in the file");
    PUNSTER_TRY(auto count, count_by_hash(input, dynamic));
    for (const auto& s : input.sections())
      if (s.sh_type == SHT_DYNSYM && s.sh_offset == dynamic_table->value)
        count = std::max<std::uint64_t>(count, s.sh_size / sizeof(Elf64_Sym));
    PUNSTER_TRY(reader.add_table(*dynamic_table, count));
  }
  for (const auto& s : input.sections()) {
    if (s.sh_type != SHT_SYMTAB && s.sh_type != SHT_DYNSYM) continue;
    if (dynamic_table == FileOffset{s.sh_offset}) continue;
    if (input.contents(s).size() != s.sh_size)
      return cannot_raise(input, "its symbols do not lie in the file");
    PUNSTER_TRY(reader.add_table(FileOffset{s.sh_offset}, s.sh_size / sizeof(Elf64_Sym)));
  }
  return success();
}

}  // namespace punster
