// Where the changed starts lead: the first address in a trampoline that each comes to, and those
// that the jumps there lead on to. Nothing but a start's own jump, and what stands for it, may
// enter there.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "protocol/address.h"

namespace punster {

struct BodyEntry {
  Vaddr address;
  std::uint32_t start = 0;  ///< index into CodeModel::changed
  bool first = false;       ///< the start itself leads here; else a jump at an earlier entry does
  friend auto operator<=>(const BodyEntry&, const BodyEntry&) = default;
};

class BodyEntries {
 public:
  BodyEntries() = default;
  /// Each part sorted.
  explicit BodyEntries(const std::vector<std::vector<BodyEntry>>& parts);
  /// Ascending by unsigned address.
  [[nodiscard]] std::span<const BodyEntry> all() const { return all_; }

 private:
  std::vector<BodyEntry> all_;
};

/// One thread's finger in the entries. Starts and bodies both ascend, mostly, so what is asked for
/// is near what was asked for before.
class BodyFinder {
 public:
  explicit BodyFinder(const BodyEntries& entries) : all_(entries.all()) {}

  /// The entries at `address`.
  [[nodiscard]] std::span<const BodyEntry> at(Vaddr address);
  /// Whether a start leads to `address` directly.
  [[nodiscard]] bool begins_at(Vaddr address);
  /// The first entry above `address` that is none of `own`, or nothing.
  [[nodiscard]] std::optional<Vaddr> next_above(Vaddr address, std::span<const Vaddr> own);

 private:
  /// Moves the finger to the first entry at or above `address`. O(log of the distance).
  void seek(Vaddr address);

  std::span<const BodyEntry> all_;
  std::size_t finger_ = 0;
};

}  // namespace punster
