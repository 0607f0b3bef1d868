// What every code byte is now, and who relies on it.

#pragma once

#include "backend/solve/solve.h"

namespace punster {

/// A byte of code by its index over all regions together; regions are kept apart by `gap` bytes
/// that nobody may write, so that arithmetic on positions cannot leave a region unnoticed.
using Position = std::uint32_t;

enum class ByteKind : std::uint8_t {
  outside,  ///< no byte of any region: its value is unknown, nobody may even rely on it
  fixed,    ///< data or doubt: never written, but its value may be relied upon
  insn,     ///< part of a known instruction
  padding,  ///< ours to write
};

/// The bytes, flat. A *lock* on a byte is a jump (or trap, or replacement) that needs its value; a
/// byte may be written only by the one who holds its only lock or when it has none.
class ByteState {
 public:
  explicit ByteState(const SolverInput& input);

  [[nodiscard]] Position position(Vaddr address) const;
  [[nodiscard]] std::int64_t address(Position p) const;
  [[nodiscard]] std::uint8_t value(Position p) const { return value_[p]; }
  [[nodiscard]] std::uint8_t original(Position p) const { return original_[p]; }
  [[nodiscard]] unsigned locks(Position p) const { return lock_[p]; }
  [[nodiscard]] ByteKind kind(Position p) const { return kind_[p]; }
  /// Padding that nobody relies on yet.
  [[nodiscard]] bool free_padding(Position p) const {
    return kind_[p] == ByteKind::padding && lock_[p] == 0;
  }

  [[nodiscard]] std::size_t size() const { return value_.size(); }

  void write(Position p, std::uint8_t byte) {
    assert(kind_[p] == ByteKind::insn || kind_[p] == ByteKind::padding);
    value_[p] = byte;
  }
  void lock(Position p) {
    assert(lock_[p] < 255);
    ++lock_[p];
  }
  /// Padding and instruction bytes that lose their last lock get their original value back.
  void unlock(Position p) {
    assert(lock_[p] > 0);
    if (--lock_[p] == 0) value_[p] = original_[p];
  }

  /// The patched bytes of region `index` of the input.
  [[nodiscard]] std::vector<std::uint8_t> region(std::size_t index) const;

 private:
  struct Region {
    std::int64_t lo, hi;
    Position base;
  };
  static constexpr Position gap = 256;  // a short jump reaches 129 bytes, its pad five more
  std::vector<Region> regions_;
  std::vector<std::uint8_t> original_, value_, lock_;
  std::vector<ByteKind> kind_;
};

}  // namespace punster
