// What the proof asks about machine code. machine_code.cpp is the verifier's only file that sees
// Zydis.

#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "protocol/address.h"

namespace punster {

using Code = std::span<const std::uint8_t>;

/// How control leaves an instruction.
enum class Flow : std::uint8_t {
  next,          ///< always to the following instruction (calls of the kernel included)
  branch,        ///< to `target` or to the following one: jcc, loop, jrcxz, xbegin
  jump,          ///< to `target`
  call,          ///< to `target`, return address pushed
  call_through,  ///< near call through a register or memory
  far_call,      ///< pushes cs:rip of wherever it stands: never displaced faithfully
  leaves,        ///< ret, indirect jump, ud2: never to the following one
};

struct Decoded {
  std::uint8_t length = 0;
  Flow flow = Flow::next;
  /// Has a rip-relative memory operand; its disp32 stands at `disp_offset`.
  bool rip_relative = false;
  std::uint8_t disp_offset = 0;
  /// NOP of any length, or endbr: leaving it out changes nothing.
  bool idle = false;
  /// For Flow::branch: equal numbers, equal conditions on the same registers.
  std::uint16_t condition = 0;
  Vaddr target;  ///< of a direct branch, jump or call
};

/// The first instruction of `code`, which stands at `at`; nothing when it is none or is cut off.
[[nodiscard]] std::optional<Decoded> decode(Code code, Vaddr at);

/// The condition that holds exactly when `condition` does not, where one can be encoded.
[[nodiscard]] std::optional<std::uint16_t> inverse_condition(std::uint16_t condition);

enum class Sameness : std::uint8_t { same, other_memory, different };

struct Comparison {
  Sameness sameness = Sameness::different;
  unsigned length = 0;  ///< of the instruction at b_at, when it is the same
};

/// Whether the instruction at `b_at` does what the one at `a_at` does: same operation, same
/// operands, and rip-relative operands that name the same address. `other_memory`: all but the
/// address agree. Where control goes from there is not compared: not for Flow branch, jump, call.
[[nodiscard]] Comparison compare_effect(Code a, Vaddr a_at, const Decoded& a_decoded, Code b,
                                        Vaddr b_at);

/// The length of a displaced `syscall` that comes by the gate: r11, which `syscall` overwrites
/// anyway, gets the address of the `syscall`, and a jump leads to the gate, which must bring
/// control back there. Nothing when `original` is no `syscall`, when there is no gate (0), or when
/// another thing stands at `copy_at`.
[[nodiscard]] std::optional<unsigned> gated_syscall(Code original, Code copy, Vaddr copy_at,
                                                    Vaddr gate);

/// By how much the instruction moves rsp; nothing when that depends on run-time values. Calls are
/// taken to return with rsp as before.
[[nodiscard]] std::optional<std::int64_t> stack_change(Code code, Vaddr at);

/// Whether the instruction writes any of the eight bytes at `offset` from rsp, as far as its
/// operands tell: by memory that rsp alone addresses, rsp as it is before the instruction. Pushes
/// and calls write below rsp and are not counted.
[[nodiscard]] bool writes_slot(Code code, std::int64_t offset);

/// A general-purpose register by its number in the encoding; 4 is rsp, -1 none.
using RegisterNumber = int;
inline constexpr RegisterNumber no_register = -1, rsp_register = 4;

struct MemoryOperand {
  RegisterNumber base = no_register, index = no_register;
  unsigned scale = 0;
  bool rip = false;  ///< then `displacement` is the absolute link-time address
  std::int64_t displacement = 0;
  char segment = 0;  ///< 'f' or 'g' for fs and gs, which alone have a base
  unsigned address_bits = 64;
  friend bool operator==(const MemoryOperand&, const MemoryOperand&) = default;
};

/// The few instructions that an emulated call may consist of.
struct StackStep {
  enum class Kind : std::uint8_t {
    push_immediate,
    push_register,
    pop_register,
    load_address,
    exchange,
    store_immediate,
    store_register,
    load,
    copy,
    call_register,
    call_memory,
    jump,
    jump_register,
    jump_memory,
  } kind;
  RegisterNumber reg =
      no_register;  ///< pushed, popped, written, exchanged, stored or jumped through
  RegisterNumber source = no_register;  ///< of copy
  MemoryOperand memory;
  std::int64_t immediate = 0;
  unsigned bits = 64;  ///< of the data moved; sign extension already done for 64
  Vaddr target;        ///< of jump
  unsigned length = 0;
};

/// The first instruction of `code` as a step, or nothing when it is another kind of instruction.
[[nodiscard]] std::optional<StackStep> stack_step(Code code, Vaddr at);

}  // namespace punster
