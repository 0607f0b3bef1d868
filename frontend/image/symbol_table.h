// Symbols of .symtab and .dynsym, and the question which of them covers an address.

#pragma once

#include <vector>

#include "frontend/image/dynamic_table.h"
#include "frontend/image/image.h"

namespace punster {

/// Defined functions, objects and labels, by address, without duplicates; version suffixes
/// ("@@GLIBC_2.14") removed. Works from section headers, else from the dynamic table and its hash
/// tables. Entries that point nowhere are skipped.
[[nodiscard]] std::vector<Symbol> read_symbols(ByteView file, const ElfTables& tables,
                                               const DynamicTable& dynamic);

/// Adds `more` to `symbols`, both as read_symbols leaves them.
void merge_symbols(std::vector<Symbol>& symbols, std::vector<Symbol> more);

/// Answers `Image::symbol_at`.
class SymbolIndex {
 public:
  SymbolIndex() = default;
  /// `symbols` sorted by address; it must outlive the index.
  explicit SymbolIndex(const std::vector<Symbol>& symbols);
  /// O(log n + k), k = symbols that begin before `address` inside one that still covers it.
  [[nodiscard]] const Symbol* at(Vaddr address) const;

 private:
  struct Extent {
    std::uint64_t lo, hi;
    std::uint64_t reach;  // greatest `hi` of this and all earlier ones
    const Symbol* symbol;
  };
  static const Symbol* innermost(const std::vector<Extent>& extents, std::uint64_t address);
  std::vector<Extent> functions_, others_;
};

}  // namespace punster
