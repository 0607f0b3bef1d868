// The dynamic section, by tag.

#pragma once

#include <map>
#include <string>

#include "frontend/image/elf_tables.h"

namespace punster {

struct DynamicTable {
  bool present = false;
  std::map<std::int64_t, std::uint64_t> values;  // first entry of each tag
  std::string soname;

  /// An absent or damaged table is an empty one: every user of it treats it as a hint.
  static DynamicTable read(ByteView file, const ElfTables& tables);

  [[nodiscard]] std::optional<std::uint64_t> get(std::int64_t tag) const;
  [[nodiscard]] std::uint64_t get_or_zero(std::int64_t tag) const { return get(tag).value_or(0); }
};

}  // namespace punster
