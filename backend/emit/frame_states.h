// The original's call frame rows by address: what scattered pieces of code are described with.

#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "backend/emit/call_frames.h"

namespace punster {

/// All that is known about the frame at one address. Spans point into the input.
struct FrameState {
  std::uint64_t reg = 0;  ///< the frame is at this register plus `offset`, unless ...
  std::uint64_t offset = 0;
  /// ... this instruction (DW_CFA_def_cfa_expression, whole) computes it. Empty: it does not.
  std::span<const std::uint8_t> expression;
  /// Registers whose rule differs from that of a function nobody has saved anything in, ascending,
  /// with the instruction that gives it. Always has the return address.
  std::vector<std::pair<std::uint64_t, std::span<const std::uint8_t>>> rules;
};

/// Equal states have equal numbers. Of all compilers' forms only the one that they use for x86-64
/// is read: return addresses in column 16, rules in units of -8 bytes; elsewhere nothing is known.
class FrameStates {
 public:
  using Id = std::uint32_t;

  /// Reads every program once. O(rows). Precondition: `frames` outlives it.
  explicit FrameStates(const CallFrames& frames);

  /// At this link-time address of the original; nothing where nobody describes it. O(log n).
  [[nodiscard]] std::optional<Id> at(Vaddr original) const;
  /// The same with a return address pushed.
  [[nodiscard]] Id pushed(Id id);
  [[nodiscard]] const FrameState& operator[](Id id) const { return states_[id]; }

  /// What its CIE says at the first address of a function: frame at rsp + 8, return address below.
  [[nodiscard]] static const FrameCommon& common();
  /// The state that common() alone gives.
  [[nodiscard]] static constexpr Id initial() { return 0; }
  /// The instructions that lead from one state to the other.
  [[nodiscard]] std::vector<std::uint8_t> change(Id from, Id to) const;

 private:
  class Reader;
  struct Row {
    std::uint32_t offset;  // from its entry's first address
    Id state;
  };

  Id number_of(const FrameState& state);

  const CallFrames& frames_;
  std::vector<std::size_t> first_row_;  // of each entry, and one more; none: nothing is known
  std::vector<Row> rows_;
  std::vector<FrameState> states_;
  std::unordered_map<std::string, Id> numbers_;
};

}  // namespace punster
