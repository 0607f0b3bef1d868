// The stack of a trampoline while it calls: what it saved, and where.

#pragma once

#include <vector>

#include "frontend/decode/registers.h"
#include "frontend/match/code_writer.h"

namespace punster {

/// What a call needs of its frame, collected from its arguments before any code is written.
struct FrameNeeds {
  std::uint32_t saved = 0;        // general registers, a bit each (never rsp)
  bool flags = true;              // the status flags are kept, in the slot `flags`
  bool rflags = false;            // all of the flags are kept, in the slot `rflags`
  bool clear_direction = false;   // and the called code finds the direction flag clear
  bool flags_written = false;     // `flags` may have been changed, and counts
  bool rip = false, rsp = false;  // slots for them
  bool rsp_written = false;
  std::vector<Register> vectors;  // vector and mask registers passed by pointer

  void save(Gpr reg) { saved |= 1u << reg; }
};

/// From high to low addresses: the program's red zone; rflags; rip; rsp; general registers from rax
/// to r15; flags; vector registers. With everything there, from `flags` up it is `struct
/// hook_state` of punster/hook.h.
class CallFrame {
 public:
  explicit CallFrame(FrameNeeds needs);

  void enter(CodeWriter& code) const;
  /// Brings everything back, as if nothing had been; or, with `go`, jumps to the address in rax.
  void leave(CodeWriter& code, bool go) const;

  /// Places while `pushed` more bytes are on the stack.
  [[nodiscard]] bool is_saved(Gpr reg) const { return (needs_.saved >> reg & 1) != 0; }
  [[nodiscard]] Place slot(Gpr reg, std::int32_t pushed) const;
  [[nodiscard]] Place slot(const Register& vector, std::int32_t pushed) const;
  [[nodiscard]] Place rsp_slot(std::int32_t pushed) const { return {rsp, rsp_at_ + pushed}; }
  [[nodiscard]] Place flags(std::int32_t pushed) const { return {rsp, flags_at_ + pushed}; }
  [[nodiscard]] Place rflags(std::int32_t pushed) const { return {rsp, rflags_at_ + pushed}; }
  /// What rsp was at the instruction, plus `offset`.
  [[nodiscard]] Place stack(std::int32_t offset, std::int32_t pushed) const {
    return {rsp, total_ + offset + pushed};
  }
  /// Restores the status flags, and may change rax.
  void restore_flags(CodeWriter& code, std::int32_t pushed) const;

 private:
  void fill_slots(CodeWriter& code) const;
  void move_vectors(CodeWriter& code, bool save) const;
  void restore_rflags(CodeWriter& code, std::int32_t pushed) const;
  static void to_flags(CodeWriter& code);  // from al and ah

  FrameNeeds needs_;
  std::int32_t vectors_ = 0;  // bytes
  std::int32_t flags_at_ = 0, rsp_at_ = 0, rip_at_ = 0, rflags_at_ = 0, total_ = 0;
};

}  // namespace punster
