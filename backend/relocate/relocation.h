// What a displaced instruction becomes when it runs at another address. README.md in this directory
// has the table of forms; plan.cpp opens with the reasons.

#pragma once

#include <array>
#include <span>
#include <type_traits>

#include "protocol/result.h"

namespace punster {

/// How control leaves a relocated instruction.
enum class Fallthrough : std::uint8_t {
  always,  ///< runs on into whatever stands behind it (also conditional branches not taken, and
           ///< hlt, ud2, int3: a signal handler may step over them)
  never,   ///< jmp, ret, iret, displaced call (returns to the original address)
};

/// What becomes of a call.
enum class CallForm : std::uint8_t {
  emulated,  ///< a push of the original return address, and a jump
  /// Only the jump: whoever comes here did so by the retargeted call at the original place, which
  /// pushed the address. Taken for near calls of `Relocation::least_retargeted` to
  /// `most_retargeted` bytes that are direct or go through memory; all others are emulated.
  retargeted,
};

/// A displaced instruction, planned. The size does not depend on where it will stand, so bodies can
/// be laid out before any address is final.
class Relocation {
 public:
  /// `bytes` start with the instruction and hold at least its length; `address` is its original
  /// link-time address. `fixed_address`: the image is never moved (ET_EXEC) and lies below 2 GiB,
  /// so a return address can be pushed as an immediate. `syscall_gate`: where a displaced `syscall`
  /// goes first, see syscall_through(); nothing: it does not. Errors: kind "cannot_relocate" with
  /// the reason, at `address`.
  static Result<Relocation> plan(std::span<const std::uint8_t> bytes, Vaddr address,
                                 bool fixed_address, CallForm calls = CallForm::emulated,
                                 std::optional<Vaddr> syscall_gate = std::nullopt);

  [[nodiscard]] unsigned length() const;  ///< bytes of the original instruction
  [[nodiscard]] unsigned size() const;    ///< bytes it takes elsewhere, at most `max_size`
  [[nodiscard]] Fallthrough fallthrough() const;
  /// A call that becomes a push and a jump: unbalances return prediction, breaks shadow stacks.
  [[nodiscard]] bool emulates_call() const;
  /// A call that was planned as CallForm::retargeted, and could be: it starts with its return
  /// address on the stack.
  [[nodiscard]] bool retargets_call() const;
  /// Of an emulated call: bytes behind which the stack has the return address' slot. Else 0.
  [[nodiscard]] unsigned pushed_after() const;
  [[nodiscard]] bool is_endbr() const;
  /// The kernel, or a signal handler, is regularly told where the instruction stands: system calls,
  /// interrupts, privileged and undefined instructions. They run anywhere, but are better left
  /// where they are unless somebody asked for them.
  [[nodiscard]] bool shows_address() const;
  /// It can neither fault nor move the stack pointer, calls nobody and is seen by nobody: a frame
  /// is looked for here only by who stops the program at any instruction. Jumps through memory can
  /// fault.
  [[nodiscard]] bool is_quiet() const;
  /// The target of a direct branch or call, or nothing. Not the abort address of xbegin.
  [[nodiscard]] std::optional<Vaddr> direct_target() const;

  /// Writes exactly size() bytes that behave at `at` as the original did at its address.
  /// `taken`: where a taken direct branch goes instead of its original target (E9Patch's $take).
  /// Precondition: `out` holds at least size() bytes; `taken` only where direct_target() is
  /// something. Errors: kind "out_of_range" when a displacement does not fit; `out` is then
  /// unspecified.
  Result<void> encode(Vaddr at, std::span<std::uint8_t> out,
                      std::optional<Vaddr> taken = std::nullopt) const;

  static constexpr unsigned max_size = 48;
  /// What must fit where the original call stood, ending where it ended: a `call rel32`, behind no
  /// more than three redundant prefixes. Compilers write no longer calls.
  static constexpr unsigned least_retargeted = 5, most_retargeted = 8;

 private:
  Relocation() = default;
  friend class RelocationPlanner;  // plan.cpp: the only one who fills these fields in

  // Every form is "push the return address" (calls only) followed by at most 15 bytes, of which
  // four may be a hole: a displacement, counted from the end of the whole sequence, to the place
  // that the original's displacement meant.
  enum class Push : std::uint8_t { none, immediate, relative };

  Vaddr address_;              // of the original instruction
  std::int32_t distance_ = 0;  // from the original's end to what its displacement meant
  std::array<std::uint8_t, 15> code_{};
  std::uint8_t length_ = 0;     // of the original instruction
  std::uint8_t code_size_ = 0;  // bytes of code_ in use
  std::uint8_t hole_ = 0;       // where in code_ the displacement stands; 0: nothing depends on RIP
  Push push_ = Push::none;
  bool endbr_ : 1 = false;
  bool shows_address_ : 1 = false;
  bool direct_ : 1 = false;  // the hole is the target of a direct branch or call
  bool never_ : 1 = false;   // Fallthrough::never
  bool quiet_ : 1 = false;
  bool retargeted_ : 1 = false;  // a call whose return address stands on the stack already
};

static_assert(sizeof(Relocation) == 32 && std::is_trivially_copyable_v<Relocation>,
              "one is kept for every displaced instruction");

}  // namespace punster
