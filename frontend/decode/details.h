// Everything about one instruction: its kind, operands, the registers it touches, its text.
//
// decoder.h answers what the analysis asks a million times (length, flow, target) and is cheap;
// this is the full decode, for match expressions, reports and the print action.

#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "frontend/decode/decoder.h"
#include "frontend/decode/registers.h"
#include "protocol/address.h"

namespace punster {

enum class OperandType : std::uint8_t { imm, reg, mem };

enum class Access : std::uint8_t { none = 0, read = 1, write = 2, read_write = 3 };
/// "-", "r", "w" or "rw", e9tool's names.
[[nodiscard]] const char* to_string(Access access);
[[nodiscard]] const char* to_string(OperandType type);

/// An explicit operand: one that stands in the assembly text.
struct Operand {
  OperandType type = OperandType::imm;
  Access access = Access::none;  // none: an address that is computed (lea), not accessed
  std::uint16_t size = 0;        // bytes
  Register reg;                  // of OperandType::reg
  // Of OperandType::mem; a register that takes no part does not exist(). `segment` is fs, gs or a
  // segment that the instruction names by a prefix.
  Register segment, base, index;
  std::uint8_t scale = 0;  // 1, 2, 4 or 8 when there is an index, else 0
  std::int64_t displacement = 0;
  /// Of OperandType::imm: the value, sign-extended when the instruction does so. Branch targets are
  /// addresses, as in the text.
  std::int64_t value = 0;
  friend bool operator==(const Operand&, const Operand&) = default;
};

/// Kinds of instruction. `jmp` is every jump, conditional or not; loop and jrcxz are conditional
/// jumps.
struct Kinds {
  bool jmp = false, jcc = false, call = false, ret = false, syscall = false;
  bool x87 = false, mmx = false, sse = false, avx = false, avx2 = false, avx512 = false;
};

/// Parts of the encoding; nothing where the instruction has none.
struct EncodingParts {
  std::optional<std::uint8_t> rex, modrm, sib;
  std::optional<std::int64_t> disp8, disp32, imm8, imm32;
};

/// What `jmp`, `call` and `target` need: operands are decoded only when there is a target to be
/// had.
struct InsnKind {
  Kinds kinds;
  std::string_view mnemonic;    // without AT&T size suffixes: "jmp", "jz", "mov"; static storage
  std::optional<Vaddr> target;  // of a direct jump or call
};

struct Details : InsnKind {
  EncodingParts encoding;
  std::uint8_t operand_count = 0;
  std::array<Operand, 6> operand_storage;  // in Intel order: destinations first
  RegisterSet reads, writes;               // implicit ones included

  [[nodiscard]] std::span<const Operand> operands() const {
    return {operand_storage.data(), operand_count};
  }
  /// The address of a memory operand when it does not depend on registers other than rip.
  [[nodiscard]] std::optional<Vaddr> static_address(const Operand& mem) const;
  Vaddr end;  // of the instruction
};

/// Both return nothing when `bytes` do not begin with an instruction. `address` is where they
/// stand.
[[nodiscard]] std::optional<InsnKind> classify(std::span<const std::uint8_t> bytes, Vaddr address);
[[nodiscard]] std::optional<Details> details(std::span<const std::uint8_t> bytes, Vaddr address);

/// False only when `bytes` certainly is no jump, call, ret or syscall; a few times cheaper than
/// classify(), which says what it really is.
[[nodiscard]] bool may_transfer_control(std::span<const std::uint8_t> bytes);

/// The assembly text as e9tool prints it; "(bad)" when there is no instruction. AT&T:
/// "movq 0x8(%rax,%rbx,8), %rcx", Intel: "mov rcx, qword ptr [rax+rbx*8+0x8]". The size of a memory
/// operand is always written down.
[[nodiscard]] std::string assembly(std::span<const std::uint8_t> bytes, Vaddr address,
                                   Syntax syntax = Syntax::att);
/// The same into `buffer`, without allocating. Precondition: at least 128 bytes.
[[nodiscard]] std::string_view assembly(std::span<const std::uint8_t> bytes, Vaddr address,
                                        Syntax syntax, std::span<char> buffer);

}  // namespace punster
