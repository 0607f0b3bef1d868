// The dynamic section, as the checks of hook and file need it.

#pragma once

#include <cstring>
#include <vector>

#include "frontend/verify/patched_image.h"

namespace punster {

/// Copies a T out of `bytes`, or nothing when it does not fit.
template <typename T>
[[nodiscard]] std::optional<T> value_at(std::span<const std::uint8_t> bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

class DynamicEntries {
 public:
  /// All of PT_DYNAMIC, entries behind the end mark included; empty without one.
  explicit DynamicEntries(const PatchedImage& image);

  struct Entry {
    Elf64_Dyn value{};
    std::uint64_t offset = 0;  ///< in the file
  };
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  /// Of the first entry with `tag` before the end mark.
  [[nodiscard]] std::optional<std::uint64_t> value(std::int64_t tag) const;
  /// The word that decides what ld.so stores in the first slot of DT_INIT_ARRAY: the addend of the
  /// relocation there, else the slot itself; an offset in the file.
  [[nodiscard]] std::optional<std::uint64_t> first_initialiser(const PatchedImage& image) const;

 private:
  std::vector<Entry> entries_;
};

/// Where a segment has `address` in the file.
[[nodiscard]] std::optional<std::uint64_t> offset_of(const PatchedImage& image,
                                                     std::uint64_t address);

/// Whether `after` may have become of `before` by rewriting: an entry for the hook, DF_1_NODELETE,
/// and an end mark behind them. Returns the first file offset that may not differ as it does.
[[nodiscard]] std::optional<std::uint64_t> unexplained_change(const DynamicEntries& before,
                                                              const DynamicEntries& after,
                                                              std::uint32_t hook);

}  // namespace punster
