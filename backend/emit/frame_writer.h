// Writes a .debug_frame section (DWARF 5, section 6.4.1), function by function.

#pragma once

#include <map>

#include "backend/emit/call_frames.h"

namespace punster {

class FrameWriter {
 public:
  /// `before`: what the section begins with, complete functions of somebody else's.
  explicit FrameWriter(std::span<const std::uint8_t> before)
      : bytes_(before.begin(), before.end()) {}

  /// Begins an FDE at `first`. `key` tells the commons apart: what begins with the same key shares
  /// a CIE, which is written when it is first needed.
  void begin_function(std::uint32_t key, const FrameCommon& common, Vaddr first);

  // Instructions of the row at address `at`, which begins there if it has not begun. Precondition:
  // a function has begun, and `at` is not before the address of the instruction written before.
  void copy(Vaddr at, std::span<const std::uint8_t> instruction);
  void def_cfa(Vaddr at, std::uint64_t reg, std::uint64_t offset);
  void def_cfa_offset(Vaddr at, std::uint64_t offset);

  /// It ends before `end`. Precondition: that is behind its first address.
  void end_function(Vaddr end);
  /// As if begin_function() had not been called.
  void drop_function();

  [[nodiscard]] std::vector<std::uint8_t> finish() && { return std::move(bytes_); }

 private:
  std::uint32_t common_at(std::uint32_t key, const FrameCommon& common);
  void advance(Vaddr to);
  void uleb(std::uint64_t value);
  void sleb(std::int64_t value);
  /// Fills up to a multiple of an address' size and writes the length of what began at `start`.
  void close(std::size_t start);

  template <typename T>
  void put(T value) {
    const auto at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }

  std::vector<std::uint8_t> bytes_;
  std::map<std::uint32_t, std::uint32_t> commons_;  // key -> position of its CIE
  std::size_t start_ = 0, size_at_ = 0;             // of the function that has begun
  Vaddr first_, row_;                               // where it and its present row begin
};

}  // namespace punster
