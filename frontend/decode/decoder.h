// Decoding for people in a hurry: everything that code discovery and matching ask of an instruction
// first, without operands, and its text. frontend/decode is the only part of the frontend that
// sees Zydis.

#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>

#include "protocol/address.h"

namespace punster {

/// What an instruction does to the flow of control.
enum class FlowKind : std::uint8_t {
  invalid,        // no instruction of 64-bit mode, or cut off
  none,           // goes on with the next one
  nop,            // likewise, and has no effect: 90, 66 90, 0f 1f /0, ... (not endbr64)
  jump,           // direct, unconditional
  branch,         // direct, conditional: jcc, jrcxz, loop, xbegin
  call,           // direct
  indirect_jump,  // through a register or memory
  indirect_call,
  ret,
  syscall,        // syscall, sysenter, int 0x80: comes back
  breakpoint,     // int3, int1
  halt,           // ud0, ud1, ud2, hlt: does not go on
};
[[nodiscard]] const char* to_string(FlowKind kind);

struct FlowInfo {
  FlowKind kind = FlowKind::invalid;
  std::uint8_t length = 0;  // 1 to 15; 0 when invalid
  /// Privileged, or an encoding that neither compilers nor sane assembly programmers emit, such as
  /// `add %al,(%rax)`, far returns, port input/output. Such a byte sequence is likelier data.
  bool odd = false;
  bool rip_relative = false;  // has a memory operand relative to the instruction pointer ...
  bool takes_address = false; // ... which is not accessed: lea
  /// Identifies the form (prefixes, opcode map, opcode, shape of ModRM) without its constants.
  std::uint16_t form = 0;     // below `form_count`
  std::uint8_t opcode_bytes = 0;  // prefixes and opcode: what stands before ModRM or the constants
  Vaddr target;               // of `jump`, `branch` and `call`
  Vaddr memory;               // of `rip_relative`: the effective address
  /// A no-operation or an int3 without prefixes: what assemblers and linkers fill gaps with.
  [[nodiscard]] bool fills() const {
    return kind == FlowKind::nop || (kind == FlowKind::breakpoint && length == 1 && !odd);
  }
  [[nodiscard]] bool direct() const {
    return kind == FlowKind::jump || kind == FlowKind::branch || kind == FlowKind::call;
  }
  /// Whether control never reaches the byte after this instruction.
  [[nodiscard]] bool ends_flow() const {
    return kind == FlowKind::jump || kind == FlowKind::indirect_jump || kind == FlowKind::ret ||
           kind == FlowKind::halt || kind == FlowKind::breakpoint;
  }
};
inline constexpr std::size_t form_count = 1u << 14;

/// Decodes the instruction at the start of `bytes`, which stands at `address`. Never looks past
/// `bytes`. About 80 ns.
[[nodiscard]] FlowInfo decode_flow(std::span<const std::uint8_t> bytes, Vaddr address);

/// General registers as code discovery sees them: 0 to 15 in encoding order, whatever the width.
inline constexpr std::uint8_t no_register = 0xff, rip_register = 0xfe;

/// What table recognition and address tracking need beyond FlowInfo. Slower than decode_flow.
struct OperandInfo {
  enum class Verb : std::uint8_t { other, lea, mov, movsxd, add, cmp, and_, sub, jump, call };
  Verb verb = Verb::other;
  std::uint8_t first = no_register;     // explicit general-register operands in Intel order:
  std::uint8_t second = no_register;    // the destination first
  bool has_memory = false;
  std::uint8_t base = no_register, index = no_register, scale = 0;
  std::uint16_t memory_size = 0;        // bytes
  std::int64_t displacement = 0;        // absolute address for RIP-relative operands
  std::optional<std::int64_t> immediate;
  std::uint16_t reads = 0, writes = 0;  // general registers as bits, implicit ones included
};
[[nodiscard]] std::optional<OperandInfo> decode_operands(std::span<const std::uint8_t> bytes,
                                                         Vaddr address);

enum class Syntax : std::uint8_t { att, intel };

/// The assembly text, as objdump would print it but in Zydis' spelling; "(bad)" when invalid.
[[nodiscard]] std::string format(std::span<const std::uint8_t> bytes, Vaddr address, Syntax syntax);

}  // namespace punster
