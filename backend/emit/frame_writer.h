// Writes call frame information (DWARF 5, section 6.4.1), function by function: as .debug_frame for
// debuggers, or as .eh_frame for the process (Linux Standard Base, "Exception Frames").

#pragma once

#include <map>

#include "backend/emit/call_frames.h"
#include "backend/emit/placed_bytes.h"

namespace punster {

/// In .eh_frame all addresses are distances, and handlers are named.
enum class FrameFormat : std::uint8_t { debug_frame, eh_frame };

class FrameWriter {
 public:
  explicit FrameWriter(FrameFormat format) : format_(format) {}
  /// A .debug_frame. `before`: what it begins with, complete functions of somebody else's.
  explicit FrameWriter(std::span<const std::uint8_t> before) {
    out_.bytes.assign(before.begin(), before.end());
  }

  [[nodiscard]] FrameFormat format() const { return format_; }

  /// Begins an FDE at `first`. `key` tells the commons apart: what begins with the same key shares
  /// a CIE, which is written when it is first needed. `handlers`: in .eh_frame, where in the
  /// handler tables that of this function is; it needs a personality.
  void begin_function(std::uint32_t key, const FrameCommon& common, Vaddr first,
                      std::optional<std::size_t> handlers = std::nullopt);

  // Instructions of the row at address `at`, which begins there if it has not begun. Precondition:
  // a function has begun, and `at` is not before the address of the instruction written before.
  void copy(Vaddr at, std::span<const std::uint8_t> instruction);
  void def_cfa(Vaddr at, std::uint64_t reg, std::uint64_t offset);
  void def_cfa_offset(Vaddr at, std::uint64_t offset);

  /// It ends before `end`. Precondition: that is behind its first address.
  void end_function(Vaddr end);
  /// As if begin_function() had not been called.
  void drop_function();

  /// Of .eh_frame: where exceptions go in the functions that were begun with `handlers`.
  [[nodiscard]] PlacedBytes& handler_tables() { return handlers_; }
  [[nodiscard]] PlacedBytes& contents() { return out_; }
  struct Function {
    Vaddr first;
    std::size_t position;  ///< of its FDE in contents()
  };
  /// Of .eh_frame, in the order in which they were written.
  [[nodiscard]] const std::vector<Function>& functions() const { return functions_; }

 private:
  std::uint32_t common_at(std::uint32_t key, const FrameCommon& common, bool handles);
  void advance(Vaddr to);
  /// Fills up to a multiple of `unit` and writes the length of what began at `start`.
  void close(std::size_t start);
  template <typename T>
  void put_at(std::size_t at, T value) {
    std::memcpy(out_.bytes.data() + at, &value, sizeof value);
  }
  [[nodiscard]] bool for_process() const { return format_ == FrameFormat::eh_frame; }

  FrameFormat format_ = FrameFormat::debug_frame;
  PlacedBytes out_, handlers_;
  std::map<std::pair<std::uint32_t, bool>, std::uint32_t> commons_;  // -> position of the CIE
  std::vector<Function> functions_;
  std::size_t start_ = 0, size_at_ = 0;  // of the function that has begun
  Vaddr first_, row_;                    // where it and its present row begin
};

}  // namespace punster
