// How an instruction can run somewhere else.
//
// The problem. A site's bytes become a jump, so its instruction must run in a trampoline, megabytes
// away, and nobody may notice: not the flags, not the 128 bytes below rsp, not an unwinder that
// looks at return addresses. Seven of ten instructions (in git) do not care where they stand. The
// rest name something relative to RIP: a branch target, a memory operand, or (call) the return
// address.
//
// Why the obvious ways fail.
// * Patching displacements by opcode tables of one's own misses encodings: of the tools we tried,
// one
//   copies `loop` and `xbegin` with their old displacement, and RIP-relative operands of EVEX maps
//   5 and 6 unadjusted. So every position here (ModRM, displacement) is the one that Zydis reports,
//   and an instruction with a relative operand that we have no form for is refused, never copied.
// * Re-encoding everything is slow and changes more than is asked: prefixes that carry meaning
// (bnd,
//   notrack, padding inside a TLS sequence) must survive. So bytes are kept wherever the length can
//   stay, and ZydisEncoder is used for the one form that grows: a call through memory addressed by
//   rsp.
// * A call that stands in a trampoline would push the trampoline's address: C++ exceptions and
//   backtraces break. A displaced call pushes the *original* return address and jumps. That costs
//   the return predictor a miss and does not work with shadow stacks; emulates_call() tells, and
//   retargeting the call in place (tactic C1) is better where it applies.
//
// What is done. Every form becomes [push of the return address] + at most 15 bytes + one hole of
// four bytes in them, whose displacement counts from the end of the whole sequence. It is the end
// for a RIP-relative operand, an immediate behind it included, and for the rel32 of a branch,
// because each branch form ends in its rel32. That makes encode() one copy and one subtraction, and
// size() independent of the address.
//
// Refused, with the reason, rather than wrong:
// * 66 in front of a near branch without REX.W: AMD cuts RIP to 16 bits (and reads a rel16), Intel
//   ignores the prefix. `66 66 48 E8`, the call of the general dynamic TLS sequence, has REX.W.
// * 67 in front of a RIP-relative operand: EIP-relative, it wraps at 4 GiB and moves with the
// image.
// * Far calls: they push CS:RIP of where they stand.
// * `call *%rsp`: the target is neither in memory nor in another register once the push is done;
// and
//   a call through the very slot that its own push overwrites.
// * A branch into its own bytes: they are gone once the site is patched.
//
// Measured (g++ 12 -O2, the 634,848 instructions of git's .text): plan() 56 ms, 88 ns each, of
// which Zydis takes 74; encode() 16 ns each. Operands are decoded for indirect calls only: raw
// ModRM and displacement tell a RIP-relative operand in every encoding.

#include <Zydis/Zydis.h>

#include <algorithm>
#include <limits>

#include "backend/relocate/relocation.h"

namespace punster {
namespace {

const ZydisDecoder& decoder() {
  static const ZydisDecoder instance = [] {
    ZydisDecoder d;
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return d;
  }();
  return instance;
}

bool has_prefix(const ZydisDecodedInstruction& insn, std::uint8_t value) {
  for (unsigned i = 0; i < insn.raw.prefix_count; ++i)
    if (insn.raw.prefixes[i].value == value) return true;
  return false;
}

/// 66 before a near branch, not overruled by REX.W: where it goes depends on who made the
/// processor.
bool has_vendor_dependent_width(const ZydisDecodedInstruction& insn) {
  if (!has_prefix(insn, 0x66)) return false;
  return (insn.attributes & ZYDIS_ATTRIB_HAS_REX) == 0 || insn.raw.rex.W == 0;
}

/// RIP- or EIP-relative memory, in any encoding: mod 0, rm 5, and a disp32 that belongs to a ModRM.
/// An instruction that ignores mod (mov to a control register) has no displacement.
bool is_rip_relative(const ZydisDecodedInstruction& insn) {
  const auto& raw = insn.raw;
  return (insn.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && raw.modrm.mod == 0 &&
         raw.modrm.rm == 5 && raw.disp.size == 32;
}

/// The same memory operand for a jmp that runs after eight bytes were pushed, or nothing when it
/// cannot be encoded. Precondition: `operand` is based on rsp (or esp).
std::optional<std::span<std::uint8_t>> jump_through_pushed_stack(
    const ZydisDecodedInstruction& call, const ZydisDecodedOperand& operand,
    std::array<std::uint8_t, 15>& buffer) {
  ZydisEncoderRequest request;
  if (!ZYAN_SUCCESS(ZydisEncoderDecodedInstructionToEncoderRequest(&call, &operand, 1, &request)))
    return std::nullopt;
  request.mnemonic = ZYDIS_MNEMONIC_JMP;
  request.operands[0].mem.displacement += 8;
  ZyanUSize size = buffer.size();
  if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&request, buffer.data(), &size)))
    return std::nullopt;

  // The encoder is trusted with nothing: what it wrote must read back as what was meant.
  ZydisDecodedInstruction jump;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder(), buffer.data(), size, &jump, operands)))
    return std::nullopt;
  const auto& is = operands[0].mem;
  const auto& was = operand.mem;
  const bool same = jump.length == size && jump.mnemonic == ZYDIS_MNEMONIC_JMP &&
                    jump.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR &&
                    operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[0].size == 64 &&
                    is.segment == was.segment && is.base == was.base && is.index == was.index &&
                    is.scale == was.scale && is.disp.value == was.disp.value + 8 &&
                    jump.address_width == call.address_width;
  if (!same) return std::nullopt;
  return std::span(buffer).first(size);
}

}  // namespace

/// Fills in one Relocation; each method is one family of forms.
class RelocationPlanner {
 public:
  RelocationPlanner(std::span<const std::uint8_t> bytes, Vaddr address, bool fixed_address,
                    CallForm calls, std::optional<Vaddr> syscall_gate)
      : bytes_(bytes), fixed_address_(fixed_address), calls_(calls), syscall_gate_(syscall_gate) {
    planned_.address_ = address;
  }

  Result<Relocation> run() {
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder(), nullptr, bytes_.data(),
                                                    bytes_.size(), &insn_)))
      return refuse("these bytes are no instruction that Zydis knows");
    planned_.length_ = insn_.length;
    planned_.shows_address_ = shows_address();
    planned_.quiet_ = is_quiet();
    PUNSTER_TRY(choose_form());
    return planned_;
  }

 private:
  [[nodiscard]] Error refuse(const char* reason) const {
    return error_at("cannot_relocate", reason, planned_.address_);
  }

  [[nodiscard]] bool shows_address() const {
    switch (insn_.meta.category) {
      case ZYDIS_CATEGORY_SYSCALL:
      case ZYDIS_CATEGORY_SYSRET:
      case ZYDIS_CATEGORY_INTERRUPT:
      case ZYDIS_CATEGORY_SYSTEM:
        return true;
      default:
        return insn_.mnemonic == ZYDIS_MNEMONIC_UD0 || insn_.mnemonic == ZYDIS_MNEMONIC_UD1 ||
               insn_.mnemonic == ZYDIS_MNEMONIC_UD2;
    }
  }

  // What is left out here is only treated with more care than it needs. Raw fields tell enough:
  // operands would cost as much again as all else.
  [[nodiscard]] bool is_quiet() const {
    const bool has_modrm = (insn_.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
    const bool moffs =
        insn_.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (insn_.opcode & 0xfc) == 0xa0;
    const bool in_memory = has_modrm ? insn_.raw.modrm.mod != 3 : moffs;
    if (insn_.meta.isa_ext != ZYDIS_ISA_EXT_BASE ||
        (insn_.attributes & (ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_IS_PRIVILEGED)) != 0)
      return false;
    switch (insn_.meta.category) {
      case ZYDIS_CATEGORY_COND_BR:
        return true;
      case ZYDIS_CATEGORY_UNCOND_BR:
        return insn_.mnemonic == ZYDIS_MNEMONIC_JMP && !in_memory;
      case ZYDIS_CATEGORY_NOP:
      case ZYDIS_CATEGORY_WIDENOP:
        return insn_.mnemonic == ZYDIS_MNEMONIC_NOP;
      case ZYDIS_CATEGORY_MISC:
        return insn_.mnemonic == ZYDIS_MNEMONIC_LEA && !names_rsp();
      case ZYDIS_CATEGORY_DATAXFER:
        return !in_memory && !names_rsp() &&
               ((insn_.mnemonic == ZYDIS_MNEMONIC_MOV && !moves_segment()) ||
                insn_.mnemonic == ZYDIS_MNEMONIC_MOVZX || insn_.mnemonic == ZYDIS_MNEMONIC_MOVSX ||
                insn_.mnemonic == ZYDIS_MNEMONIC_MOVSXD);
      case ZYDIS_CATEGORY_BINARY:
        return !in_memory && !names_rsp() && insn_.mnemonic != ZYDIS_MNEMONIC_DIV &&
               insn_.mnemonic != ZYDIS_MNEMONIC_IDIV;
      case ZYDIS_CATEGORY_LOGICAL:
      case ZYDIS_CATEGORY_SHIFT:
      case ZYDIS_CATEGORY_CMOV:
        return !in_memory && !names_rsp();
      default:
        return false;
    }
  }

  [[nodiscard]] bool moves_segment() const {
    return insn_.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
           (insn_.opcode == 0x8c || insn_.opcode == 0x8e);
  }

  /// Whether a field that may name a general register has rsp's number there. The base and index of
  /// memory do not count. True for ah as well.
  [[nodiscard]] bool names_rsp() const {
    constexpr unsigned rsp = 4;
    const auto& raw = insn_.raw;
    if ((insn_.attributes & ZYDIS_ATTRIB_HAS_MODRM) == 0)
      return (insn_.opcode & 7) == rsp && raw.rex.B == 0;
    return (raw.modrm.reg == rsp && raw.rex.R == 0) ||
           (raw.modrm.mod == 3 && raw.modrm.rm == rsp && raw.rex.B == 0);
  }

  Result<void> choose_form() {
    if (insn_.raw.imm[0].is_relative) return direct_branch();
    switch (insn_.mnemonic) {
      case ZYDIS_MNEMONIC_CALL:
        return indirect_call();
      case ZYDIS_MNEMONIC_JMP:
      case ZYDIS_MNEMONIC_RET:
      case ZYDIS_MNEMONIC_IRET:
      case ZYDIS_MNEMONIC_IRETD:
      case ZYDIS_MNEMONIC_IRETQ:
      case ZYDIS_MNEMONIC_SYSRET:
      case ZYDIS_MNEMONIC_SYSEXIT:
      case ZYDIS_MNEMONIC_UIRET:
      case ZYDIS_MNEMONIC_RSM:
        planned_.never_ = true;
        return same_bytes();
      case ZYDIS_MNEMONIC_ENDBR64:
        planned_.endbr_ = true;
        return same_bytes();
      case ZYDIS_MNEMONIC_SYSCALL:
        return syscall_gate_ ? syscall_through(*syscall_gate_) : same_bytes();
      default:
        return same_bytes();
    }
  }

  /// The runtime looks at the call before the kernel does. rcx and r11 are free: `syscall`
  /// overwrites both.
  Result<void> syscall_through(Vaddr gate) {
    append({0x4c, 0x8d, 0x1d, 0x05, 0, 0, 0,  //    lea 1f(%rip), %r11
            0xe9});                           //    jmp gate
    append_hole();
    append({0x0f, 0x05});  // 1: syscall
    // The displacement counts from the end of it all, two bytes behind the jump.
    const auto distance = displacement(planned_.address_ + Bytes{insn_.length}, gate + Bytes{2});
    if (!distance) return refuse("the way that system calls take is out of reach");
    planned_.distance_ = *distance;
    return success();
  }

  /// The original bytes, with a hole where a RIP-relative operand has its displacement.
  Result<void> same_bytes() {
    std::copy_n(bytes_.begin(), insn_.length, planned_.code_.begin());
    planned_.code_size_ = insn_.length;
    if (is_rip_relative(insn_)) {
      if (insn_.address_width != 64)
        return refuse("EIP-relative memory (address-size prefix) cannot be moved");
      planned_.hole_ = insn_.raw.disp.offset;
      planned_.distance_ = static_cast<std::int32_t>(insn_.raw.disp.value);
    }
    return success();
  }

  Result<void> direct_branch() {
    const auto& operand = insn_.raw.imm[0].value.s;
    planned_.distance_ = static_cast<std::int32_t>(operand);
    if (operand < 0 && operand > -static_cast<std::int64_t>(insn_.length))
      return refuse("it branches into its own bytes, which a patch replaces");
    if (insn_.mnemonic == ZYDIS_MNEMONIC_XBEGIN) {
      append({0xc7, 0xf8});  // xbegin abort; the 16-bit form grows, its target is not cut
      append_hole();
      return success();
    }
    if (has_vendor_dependent_width(insn_))
      return refuse("operand-size prefix on a near branch: AMD and Intel processors differ");

    planned_.direct_ = true;
    switch (insn_.mnemonic) {
      case ZYDIS_MNEMONIC_CALL:
        push_return_address();
        [[fallthrough]];
      case ZYDIS_MNEMONIC_JMP:
        planned_.never_ = true;
        append_if(ZYDIS_ATTRIB_HAS_BND, 0xf2);
        append({0xe9});  // jmp target
        break;
      case ZYDIS_MNEMONIC_LOOP:
      case ZYDIS_MNEMONIC_LOOPE:
      case ZYDIS_MNEMONIC_LOOPNE:
      case ZYDIS_MNEMONIC_JECXZ:
      case ZYDIS_MNEMONIC_JRCXZ:
        // These have no rel32 form:
        if (insn_.address_width == 32) append({0x67});  // the counter is ecx
        append({insn_.opcode, 0x02,                     //   loop 1f
                0xeb, 0x05,                             //   jmp  2f
                0xe9});                                 // 1: jmp  target
        break;                                          // 2:
      default:
        if (!is_conditional_jump()) return refuse("its relative operand has no known form");
        append_if(ZYDIS_ATTRIB_HAS_BND, 0xf2);
        append_if(ZYDIS_ATTRIB_HAS_BRANCH_NOT_TAKEN, 0x2e);
        append_if(ZYDIS_ATTRIB_HAS_BRANCH_TAKEN, 0x3e);
        append({0x0f, static_cast<std::uint8_t>(0x80 | (insn_.opcode & 0x0f))});  // jcc target
    }
    append_hole();
    return success();
  }

  [[nodiscard]] bool is_conditional_jump() const {
    if (insn_.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return false;
    return (insn_.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && insn_.opcode >> 4 == 0x7) ||
           (insn_.opcode_map == ZYDIS_OPCODE_MAP_0F && insn_.opcode >> 4 == 0x8);
  }

  /// A push of the return address, then the jmp with the same operand: FF /2 becomes FF /4.
  Result<void> indirect_call() {
    if (insn_.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
      return refuse("a far call pushes the code segment and the address it stands at");
    if (has_vendor_dependent_width(insn_))
      return refuse("operand-size prefix on a near call: AMD and Intel processors differ");

    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder(), bytes_.data(), bytes_.size(), &insn_, operands)))
      return refuse("Zydis cannot decode its operands");
    planned_.never_ = true;
    const auto& target = operands[0];
    if (target.type == ZYDIS_OPERAND_TYPE_REGISTER)
      calls_ = CallForm::emulated;  // too short, but for useless prefixes
    push_return_address();

    if (target.type == ZYDIS_OPERAND_TYPE_REGISTER && target.reg.value == ZYDIS_REGISTER_RSP)
      return refuse("call *%rsp: no register can hold the target once the push is done");
    if (target.type == ZYDIS_OPERAND_TYPE_MEMORY &&
        (target.mem.base == ZYDIS_REGISTER_RSP || target.mem.base == ZYDIS_REGISTER_ESP))
      return call_through_stack(target);

    PUNSTER_TRY(same_bytes());
    auto& modrm = planned_.code_[insn_.raw.modrm.offset];
    modrm = static_cast<std::uint8_t>((modrm & ~0x38) | 4 << 3);
    return success();
  }

  Result<void> call_through_stack(const ZydisDecodedOperand& target) {
    const auto& mem = target.mem;
    if (mem.index == ZYDIS_REGISTER_NONE && mem.disp.value > -16 && mem.disp.value < 0)
      return refuse("its target lies in the stack slot that its return address overwrites");
    std::array<std::uint8_t, 15> buffer;
    const auto jump = jump_through_pushed_stack(insn_, target, buffer);
    if (!jump)
      return refuse("its operand cannot be re-encoded for the stack pointer after the push");
    std::copy(jump->begin(), jump->end(), planned_.code_.begin());
    planned_.code_size_ = static_cast<std::uint8_t>(jump->size());
    return success();
  }

  void push_return_address() {
    planned_.retargeted_ = calls_ == CallForm::retargeted &&
                           insn_.length >= Relocation::least_retargeted &&
                           insn_.length <= Relocation::most_retargeted;
    if (planned_.retargeted_) return;
    const auto pushed = (planned_.address_ + Bytes{insn_.length}).value;
    const bool fits = pushed <= std::uint64_t{std::numeric_limits<std::int32_t>::max()};
    planned_.push_ =
        fixed_address_ && fits ? Relocation::Push::immediate : Relocation::Push::relative;
  }

  void append(std::initializer_list<std::uint8_t> bytes) {
    for (const auto byte : bytes) planned_.code_[planned_.code_size_++] = byte;
  }
  void append_if(ZydisInstructionAttributes attribute, std::uint8_t prefix) {
    if ((insn_.attributes & attribute) != 0) append({prefix});
  }
  void append_hole() {
    planned_.hole_ = planned_.code_size_;
    planned_.code_size_ = static_cast<std::uint8_t>(planned_.code_size_ + 4);
  }

  std::span<const std::uint8_t> bytes_;
  bool fixed_address_;
  CallForm calls_;
  std::optional<Vaddr> syscall_gate_;
  ZydisDecodedInstruction insn_;
  Relocation planned_;
};

Result<Relocation> Relocation::plan(std::span<const std::uint8_t> bytes, Vaddr address,
                                    bool fixed_address, CallForm calls,
                                    std::optional<Vaddr> syscall_gate) {
  return RelocationPlanner(bytes, address, fixed_address, calls, syscall_gate).run();
}

}  // namespace punster
