// The dynamic section as emit needs it: entries with the file offset of each, so that one can be changed
// in place.

#pragma once

#include <elf.h>

#include <string>
#include <vector>

#include "backend/emit/elf_view.h"

namespace punster {

struct DynamicEntry {
  std::int64_t tag = 0;
  std::uint64_t value = 0;
  FileOffset offset;  ///< of the Elf64_Dyn
};

class DynamicSection {
 public:
  /// Empty when the file has no PT_DYNAMIC. Error "malformed" when it has one that runs out of the file.
  static Result<DynamicSection> read(const ElfView& view);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// In file order, up to the first DT_NULL.
  [[nodiscard]] const std::vector<DynamicEntry>& entries() const { return entries_; }
  /// The first entry with `tag`, or nothing.
  [[nodiscard]] std::optional<DynamicEntry> find(std::int64_t tag) const;
  /// File offsets of DT_NULLs that may become entries, in order: all but the last one.
  [[nodiscard]] const std::vector<FileOffset>& spares() const { return spares_; }
  /// DT_SONAME, or "".
  [[nodiscard]] std::string soname(const ElfView& view) const;

 private:
  std::vector<DynamicEntry> entries_;  // without DT_NULLs
  std::vector<FileOffset> spares_;
};

}  // namespace punster
