#include "frontend/verify/machine_code.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <cstring>

namespace punster {
namespace {

const ZydisDecoder& decoder() {
  static const ZydisDecoder instance = [] {
    ZydisDecoder made;
    ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return made;
  }();
  return instance;
}

/// An instruction with its operands, the implicit ones included.
struct Full {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

bool decode_full(Code code, Full& full) {
  ZydisDecoderContext context;
  return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder(), &context, code.data(), code.size(),
                                                    &full.insn)) &&
         ZYAN_SUCCESS(ZydisDecoderDecodeOperands(&decoder(), &context, &full.insn, full.operands,
                                                 ZYDIS_MAX_OPERAND_COUNT));
}

bool never_falls_through(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_HLT:  // privileged: a process that reaches it has ended
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_UIRET:
    case ZYDIS_MNEMONIC_SYSEXIT:
      return true;
    default:
      return false;
  }
}

/// jcc by its four condition bits; what counts or tests rcx also by the width it looks at.
std::uint16_t condition_number(const ZydisDecodedInstruction& insn) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
      return static_cast<std::uint16_t>(0x1000u + (insn.opcode & 0xfu) * 0x100u +
                                        insn.address_width);
    case ZYDIS_MNEMONIC_XBEGIN:
      return 0x8000;
    default:
      return insn.opcode & 0xf;
  }
}

Flow flow_of(const ZydisDecodedInstruction& insn) {
  const bool direct = insn.raw.imm[0].is_relative != 0;
  if (insn.mnemonic == ZYDIS_MNEMONIC_XBEGIN) return Flow::branch;
  switch (insn.meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
      return direct ? Flow::branch : Flow::next;
    case ZYDIS_CATEGORY_UNCOND_BR:
      if (insn.mnemonic != ZYDIS_MNEMONIC_JMP)
        return insn.mnemonic == ZYDIS_MNEMONIC_XABORT ? Flow::next : Flow::leaves;
      return direct ? Flow::jump : Flow::leaves;
    case ZYDIS_CATEGORY_CALL:
      if (insn.mnemonic != ZYDIS_MNEMONIC_CALL) return Flow::next;  // syscall and the like
      if (insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return Flow::far_call;
      return direct ? Flow::call : Flow::call_through;
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_SYSRET:
      return Flow::leaves;
    default:
      return never_falls_through(insn.mnemonic) ? Flow::leaves : Flow::next;
  }
}

bool has_rip_memory(const ZydisDecodedInstruction& insn) {
  return (insn.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && insn.raw.modrm.mod == 0 &&
         insn.raw.modrm.rm == 5 && insn.raw.disp.size == 32;
}

bool is_rip(ZydisRegister reg) {
  return reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP;
}

std::uint64_t cut(std::uint64_t address, unsigned bits) {
  return bits == 32 ? address & 0xffffffffu : address;
}

std::uint64_t rip_address(const Full& full, const ZydisDecodedOperandMem& memory, Vaddr at) {
  return cut(at.value + full.insn.length + static_cast<std::uint64_t>(memory.disp.value),
             full.insn.address_width);
}

/// Segments without a base are all the same in 64-bit mode.
char segment_letter(ZydisRegister segment) {
  return segment == ZYDIS_REGISTER_FS ? 'f' : segment == ZYDIS_REGISTER_GS ? 'g' : char{0};
}

Sameness compare_memory(const Full& a, const ZydisDecodedOperandMem& am, Vaddr a_at, const Full& b,
                        const ZydisDecodedOperandMem& bm, Vaddr b_at) {
  if (am.type != bm.type || segment_letter(am.segment) != segment_letter(bm.segment) ||
      am.base != bm.base || am.index != bm.index || am.scale != bm.scale)
    return Sameness::different;
  const bool same = is_rip(am.base) ? rip_address(a, am, a_at) == rip_address(b, bm, b_at)
                                    : am.disp.value == bm.disp.value;
  return same ? Sameness::same : Sameness::other_memory;
}

Sameness compare_operand(const Full& a, const ZydisDecodedOperand& ao, Vaddr a_at, const Full& b,
                         const ZydisDecodedOperand& bo, Vaddr b_at) {
  if (ao.type != bo.type || ao.size != bo.size || ao.actions != bo.actions ||
      ao.visibility != bo.visibility || ao.element_type != bo.element_type)
    return Sameness::different;
  bool same = false;
  switch (ao.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
      same = ao.reg.value == bo.reg.value;
      break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
      return compare_memory(a, ao.mem, a_at, b, bo.mem, b_at);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      same = !ao.imm.is_relative && !bo.imm.is_relative && ao.imm.value.u == bo.imm.value.u;
      break;
    case ZYDIS_OPERAND_TYPE_POINTER:
      same = ao.ptr.segment == bo.ptr.segment && ao.ptr.offset == bo.ptr.offset;
      break;
    default:
      break;
  }
  return same ? Sameness::same : Sameness::different;
}

// Prefixes that change what an instruction does; segment overrides are compared with the operands.
constexpr ZydisInstructionAttributes meaningful =
    ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE |
    ZYDIS_ATTRIB_HAS_BND | ZYDIS_ATTRIB_HAS_XACQUIRE | ZYDIS_ATTRIB_HAS_XRELEASE |
    ZYDIS_ATTRIB_HAS_NOTRACK;

/// The long way: both decoded with all operands, for a copy that was encoded anew.
Comparison compare_decoded(Code a_code, Vaddr a_at, Code b_code, Vaddr b_at) {
  Full a, b;
  if (!decode_full(a_code, a) || !decode_full(b_code, b)) return {};
  const auto& ai = a.insn;
  const auto& bi = b.insn;
  if (ai.mnemonic != bi.mnemonic || ai.encoding != bi.encoding ||
      ai.operand_width != bi.operand_width || ai.address_width != bi.address_width ||
      (ai.attributes & meaningful) != (bi.attributes & meaningful) ||
      ai.operand_count != bi.operand_count || ai.avx.vector_length != bi.avx.vector_length ||
      ai.avx.mask.mode != bi.avx.mask.mode || ai.avx.mask.reg != bi.avx.mask.reg ||
      ai.avx.broadcast.mode != bi.avx.broadcast.mode ||
      ai.avx.rounding.mode != bi.avx.rounding.mode || ai.avx.has_sae != bi.avx.has_sae)
    return {};
  Sameness worst = Sameness::same;
  for (unsigned i = 0; i < ai.operand_count; ++i)
    worst = std::max(worst, compare_operand(a, a.operands[i], a_at, b, b.operands[i], b_at));
  return {worst, bi.length};
}

Vaddr rip_target(Code code, Vaddr at, const Decoded& decoded) {
  std::int32_t disp = 0;
  std::memcpy(&disp, code.data() + decoded.disp_offset, sizeof disp);
  return displaced(at + Bytes{decoded.length}, disp);
}

RegisterNumber number_of(ZydisRegister reg) {
  const auto kind = ZydisRegisterGetClass(reg);
  if (kind != ZYDIS_REGCLASS_GPR64 && kind != ZYDIS_REGCLASS_GPR32) return no_register;
  return ZydisRegisterGetId(reg);
}

bool is_gpr64(const ZydisDecodedOperand& operand) {
  return operand.type == ZYDIS_OPERAND_TYPE_REGISTER &&
         ZydisRegisterGetClass(operand.reg.value) == ZYDIS_REGCLASS_GPR64;
}

MemoryOperand memory_operand(const Full& full, const ZydisDecodedOperand& operand, Vaddr at) {
  MemoryOperand memory;
  memory.segment = segment_letter(operand.mem.segment);
  memory.address_bits = full.insn.address_width;
  if (is_rip(operand.mem.base)) {
    memory.rip = true;
    memory.displacement = static_cast<std::int64_t>(rip_address(full, operand.mem, at));
    return memory;
  }
  memory.base = number_of(operand.mem.base);
  memory.index = number_of(operand.mem.index);
  memory.scale = operand.mem.scale;
  memory.displacement = operand.mem.disp.value;
  return memory;
}

}  // namespace

std::optional<Decoded> decode(Code code, Vaddr at) {
  ZydisDecodedInstruction insn;
  if (!ZYAN_SUCCESS(
          ZydisDecoderDecodeInstruction(&decoder(), nullptr, code.data(), code.size(), &insn)))
    return std::nullopt;
  Decoded decoded;
  decoded.length = insn.length;
  decoded.flow = flow_of(insn);
  decoded.rip_relative = has_rip_memory(insn);
  decoded.disp_offset = insn.raw.disp.offset;
  decoded.idle = insn.meta.category == ZYDIS_CATEGORY_NOP ||
                 insn.meta.category == ZYDIS_CATEGORY_WIDENOP ||
                 insn.mnemonic == ZYDIS_MNEMONIC_ENDBR64 || insn.mnemonic == ZYDIS_MNEMONIC_NOP;
  if (decoded.flow == Flow::branch) decoded.condition = condition_number(insn);
  if (insn.raw.imm[0].is_relative)
    decoded.target =
        at + Bytes{insn.length} + Bytes{static_cast<std::uint64_t>(insn.raw.imm[0].value.s)};
  return decoded;
}

std::optional<std::uint16_t> inverse_condition(std::uint16_t condition) {
  if (condition >= 16) return std::nullopt;
  return static_cast<std::uint16_t>(condition ^ 1u);
}

Comparison compare_effect(Code a, Vaddr a_at, const Decoded& a_decoded, Code b, Vaddr b_at) {
  // Nearly always the copy has the same bytes, but for the displacement: then it decodes alike, and
  // what is left to compare are addresses. (The few forms with a 32-bit address take the long way.)
  const unsigned length = a_decoded.length;
  if (b.size() >= length) {
    if (!a_decoded.rip_relative) {
      if (std::equal(a.begin(), a.begin() + length, b.begin())) return {Sameness::same, length};
    } else {
      const unsigned disp = a_decoded.disp_offset;
      const bool narrow = std::find(a.begin(), a.begin() + disp, 0x67) != a.begin() + disp;
      if (!narrow && std::equal(a.begin(), a.begin() + disp, b.begin()) &&
          std::equal(a.begin() + disp + 4, a.begin() + length, b.begin() + disp + 4))
        return {rip_target(a, a_at, a_decoded) == rip_target(b, b_at, a_decoded)
                    ? Sameness::same
                    : Sameness::other_memory,
                length};
    }
  }
  return compare_decoded(a.first(length), a_at, b, b_at);
}

std::optional<unsigned> gated_syscall(Code original, Code copy, Vaddr copy_at, Vaddr gate) {
  constexpr std::uint8_t lea_syscall[] = {0x4c, 0x8d, 0x1d, 5, 0, 0, 0};  // lea 5(%rip), %r11
  constexpr std::uint8_t syscall[] = {0x0f, 0x05};
  constexpr unsigned jump = sizeof lea_syscall, behind_jump = jump + 5,
                     length = behind_jump + sizeof syscall;
  if (gate == Vaddr{} || original.size() < sizeof syscall || copy.size() < length ||
      !std::equal(std::begin(syscall), std::end(syscall), original.begin()) ||
      !std::equal(std::begin(lea_syscall), std::end(lea_syscall), copy.begin()) ||
      !std::equal(std::begin(syscall), std::end(syscall), copy.begin() + behind_jump))
    return std::nullopt;
  const auto decoded = decode(copy.subspan(jump), copy_at + Bytes{jump});
  if (!decoded || decoded->flow != Flow::jump || decoded->length != 5 || decoded->target != gate)
    return std::nullopt;
  return length;
}

std::optional<std::int64_t> stack_change(Code code, Vaddr) {
  Full full;
  if (!decode_full(code, full)) return std::nullopt;
  const auto& insn = full.insn;
  const auto bytes = static_cast<std::int64_t>(insn.operand_width / 8);
  const auto writes_rsp = [&](const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_REGISTER &&
           (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 &&
           ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand.reg.value) ==
               ZYDIS_REGISTER_RSP;
  };
  const bool explicit_rsp = insn.operand_count_visible > 0 && writes_rsp(full.operands[0]);
  const auto& source = full.operands[1];
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFQ:
      return -bytes;
    case ZYDIS_MNEMONIC_POP:
      return explicit_rsp ? std::nullopt : std::optional(bytes);
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFQ:
      return bytes;
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_SYSCALL:
      return 0;
    case ZYDIS_MNEMONIC_LEA:
      if (explicit_rsp && full.operands[0].size == 64)
        return source.mem.base == ZYDIS_REGISTER_RSP && source.mem.index == ZYDIS_REGISTER_NONE
                   ? std::optional<std::int64_t>(source.mem.disp.value)
                   : std::nullopt;
      break;
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
      if (explicit_rsp && full.operands[0].size == 64 &&
          source.type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return insn.mnemonic == ZYDIS_MNEMONIC_ADD ? source.imm.value.s : -source.imm.value.s;
      break;
    default:
      break;
  }
  if (std::any_of(full.operands, full.operands + insn.operand_count, writes_rsp))
    return std::nullopt;
  return 0;
}

bool writes_slot(Code code, std::int64_t offset) {
  Full full;
  if (!decode_full(code, full)) return false;
  return std::any_of(full.operands, full.operands + full.insn.operand_count_visible,
                     [&](const ZydisDecodedOperand& operand) {
                       const auto size = static_cast<std::int64_t>(operand.size / 8);
                       return operand.type == ZYDIS_OPERAND_TYPE_MEMORY &&
                              (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 &&
                              operand.mem.base == ZYDIS_REGISTER_RSP &&
                              operand.mem.index == ZYDIS_REGISTER_NONE &&
                              operand.mem.disp.value < offset + 8 &&
                              operand.mem.disp.value + size > offset;
                     });
}

std::optional<StackStep> stack_step(Code code, Vaddr at) {
  using Kind = StackStep::Kind;
  Full full;
  if (!decode_full(code, full)) return std::nullopt;
  const auto& insn = full.insn;
  StackStep step{};
  step.length = insn.length;
  step.bits = insn.operand_width;
  const auto count = insn.operand_count_visible;
  const auto& first = full.operands[0];
  const auto& second = full.operands[1];
  const auto is_memory = [](const ZydisDecodedOperand& o) {
    return o.type == ZYDIS_OPERAND_TYPE_MEMORY;
  };
  const auto is_immediate = [](const ZydisDecodedOperand& o) {
    return o.type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
  };
  if ((insn.attributes &
       (ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_XACQUIRE | ZYDIS_ATTRIB_HAS_XRELEASE)) != 0 ||
      insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
    return std::nullopt;

  if (insn.mnemonic == ZYDIS_MNEMONIC_PUSH && count == 1 && insn.operand_width == 64) {
    if (is_immediate(first)) {
      step.kind = Kind::push_immediate;
      step.immediate = first.imm.value.s;
      return step;
    }
    if (is_gpr64(first)) {
      step.kind = Kind::push_register;
      step.reg = number_of(first.reg.value);
      return step;
    }
  } else if (insn.mnemonic == ZYDIS_MNEMONIC_POP && count == 1 && is_gpr64(first)) {
    step.kind = Kind::pop_register;
    step.reg = number_of(first.reg.value);
    return step;
  } else if (insn.mnemonic == ZYDIS_MNEMONIC_LEA && is_gpr64(first) && insn.address_width == 64) {
    step.kind = Kind::load_address;
    step.reg = number_of(first.reg.value);
    step.memory = memory_operand(full, second, at);
    step.memory.segment = 0;
    return step;
  } else if (insn.mnemonic == ZYDIS_MNEMONIC_XCHG && is_memory(first) && is_gpr64(second)) {
    step.kind = Kind::exchange;
    step.reg = number_of(second.reg.value);
    step.memory = memory_operand(full, first, at);
    return step;
  } else if (insn.mnemonic == ZYDIS_MNEMONIC_MOV && count == 2) {
    if (is_memory(first) && is_immediate(second) && (step.bits == 32 || step.bits == 64)) {
      step.kind = Kind::store_immediate;
      step.memory = memory_operand(full, first, at);
      step.immediate = second.imm.value.s;
      return step;
    }
    if (is_memory(first) && is_gpr64(second)) {
      step.kind = Kind::store_register;
      step.memory = memory_operand(full, first, at);
      step.reg = number_of(second.reg.value);
      return step;
    }
    if (is_gpr64(first) && is_memory(second)) {
      step.kind = Kind::load;
      step.memory = memory_operand(full, second, at);
      step.reg = number_of(first.reg.value);
      return step;
    }
    if (is_gpr64(first) && is_gpr64(second)) {
      step.kind = Kind::copy;
      step.reg = number_of(first.reg.value);
      step.source = number_of(second.reg.value);
      return step;
    }
  } else if (insn.mnemonic == ZYDIS_MNEMONIC_JMP || insn.mnemonic == ZYDIS_MNEMONIC_CALL) {
    const bool call = insn.mnemonic == ZYDIS_MNEMONIC_CALL;
    if (is_immediate(first) && first.imm.is_relative && !call) {
      step.kind = Kind::jump;
      step.target = at + Bytes{insn.length} + Bytes{static_cast<std::uint64_t>(first.imm.value.s)};
      return step;
    }
    if (is_gpr64(first)) {
      step.kind = call ? Kind::call_register : Kind::jump_register;
      step.reg = number_of(first.reg.value);
      return step;
    }
    if (is_memory(first) && first.size == 64) {
      step.kind = call ? Kind::call_memory : Kind::jump_memory;
      step.memory = memory_operand(full, first, at);
      return step;
    }
  }
  return std::nullopt;
}

}  // namespace punster
