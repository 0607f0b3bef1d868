#include "frontend/decode/details.h"

#include <cassert>

#include "frontend/decode/zydis_decoding.h"

namespace punster {
namespace {

// Ours for each of Zydis' registers, found by name once. Test registers do not exist in 64-bit mode
// and stay none.
Register from_zydis(ZydisRegister r) {
  static const auto table = [] {
    std::array<Register, ZYDIS_REGISTER_MAX_VALUE + 1> all;
    for (unsigned i = 1; i < all.size(); ++i)
      if (const char* name = ZydisRegisterGetString(static_cast<ZydisRegister>(i)))
        all[i] = register_named(name).value_or(Register{});
    return all;
  }();
  return table[r];
}

Kinds kinds_of(const ZydisDecodedInstruction& insn) {
  Kinds k;
  // XED, whose categories Zydis carries, counts the TSX instructions as conditional branches.
  const bool tsx = insn.mnemonic == ZYDIS_MNEMONIC_XBEGIN || insn.mnemonic == ZYDIS_MNEMONIC_XEND ||
                   insn.mnemonic == ZYDIS_MNEMONIC_XABORT;
  k.jcc = insn.meta.category == ZYDIS_CATEGORY_COND_BR && !tsx;
  k.jmp = k.jcc || insn.mnemonic == ZYDIS_MNEMONIC_JMP;
  k.call = insn.mnemonic == ZYDIS_MNEMONIC_CALL;
  k.ret = insn.mnemonic == ZYDIS_MNEMONIC_RET;
  k.syscall = insn.mnemonic == ZYDIS_MNEMONIC_SYSCALL;
  switch (insn.meta.isa_ext) {
    case ZYDIS_ISA_EXT_X87:
      k.x87 = true;
      break;
    case ZYDIS_ISA_EXT_MMX:
      k.mmx = true;
      break;
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_SSE4A:
      k.sse = true;
      break;
    case ZYDIS_ISA_EXT_AVX:
    case ZYDIS_ISA_EXT_AVXAES:
    case ZYDIS_ISA_EXT_F16C:
    case ZYDIS_ISA_EXT_FMA:
      k.avx = true;
      break;
    case ZYDIS_ISA_EXT_AVX2:
    case ZYDIS_ISA_EXT_AVX2GATHER:
      k.avx2 = true;
      break;
    case ZYDIS_ISA_EXT_AVX512EVEX:
    case ZYDIS_ISA_EXT_AVX512VEX:
      k.avx512 = true;
      break;
    default:
      break;
  }
  return k;
}

InsnKind kind_of(const ZydisDecodedInstruction& insn, Vaddr address) {
  InsnKind kind;
  kind.kinds = kinds_of(insn);
  kind.mnemonic = ZydisMnemonicGetString(insn.mnemonic);
  if ((kind.kinds.jmp || kind.kinds.call) && insn.raw.imm[0].is_relative)
    kind.target =
        Vaddr{address.value + insn.length + static_cast<std::uint64_t>(insn.raw.imm[0].value.s)};
  return kind;
}

EncodingParts encoding_of(const ZydisDecodedInstruction& insn,
                          std::span<const std::uint8_t> bytes) {
  EncodingParts parts;
  if (insn.attributes & ZYDIS_ATTRIB_HAS_REX) parts.rex = bytes[insn.raw.rex.offset];
  if (insn.attributes & ZYDIS_ATTRIB_HAS_MODRM) parts.modrm = bytes[insn.raw.modrm.offset];
  if (insn.attributes & ZYDIS_ATTRIB_HAS_SIB) parts.sib = bytes[insn.raw.sib.offset];
  if (insn.raw.disp.size == 8) parts.disp8 = insn.raw.disp.value;
  if (insn.raw.disp.size == 32) parts.disp32 = insn.raw.disp.value;
  for (const auto& imm : insn.raw.imm) {
    if (imm.size == 8 && !parts.imm8) parts.imm8 = imm.value.s;
    if (imm.size == 32 && !parts.imm32) parts.imm32 = imm.value.s;
  }
  return parts;
}

Access access_of(const ZydisDecodedOperand& op) {
  const unsigned read = op.actions & ZYDIS_OPERAND_ACTION_MASK_READ ? 1 : 0;
  const unsigned write = op.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? 2 : 0;
  return static_cast<Access>(read | write);
}

// Segments other than fs and gs have base 0 in 64-bit mode: only those that are written down count.
Register segment_of(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand& op) {
  const bool named = insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT;
  return named ? from_zydis(op.mem.segment) : Register{};
}

// lea and the bound instructions compute an address, and nop ignores it; Zydis says that nop reads.
bool is_accessed(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand& op) {
  return insn.mnemonic != ZYDIS_MNEMONIC_NOP &&
         (op.mem.type == ZYDIS_MEMOP_TYPE_MEM || op.mem.type == ZYDIS_MEMOP_TYPE_VSIB);
}

Operand operand_of(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand& op, Vaddr end) {
  Operand o;
  o.size = static_cast<std::uint16_t>(op.size / 8);
  o.access = access_of(op);
  switch (op.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
      o.type = OperandType::reg;
      o.reg = from_zydis(op.reg.value);
      break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
      o.type = OperandType::mem;
      if (!is_accessed(insn, op)) o.access = Access::none;
      o.segment = segment_of(insn, op);
      o.base = from_zydis(op.mem.base);
      o.index = from_zydis(op.mem.index);
      o.scale = o.index.exists() ? op.mem.scale : std::uint8_t{0};
      o.displacement = op.mem.disp.has_displacement ? op.mem.disp.value : 0;
      break;
    default:
      o.type = OperandType::imm;
      o.value = op.imm.value.s;
      if (op.imm.is_relative) o.value = static_cast<std::int64_t>(end.value + op.imm.value.u);
      break;
  }
  return o;
}

void note_registers(Details& d, const ZydisDecodedInstruction& insn,
                    const ZydisDecodedOperand& op) {
  if (op.type == ZYDIS_OPERAND_TYPE_REGISTER) {
    const Register r = from_zydis(op.reg.value);
    const bool vex = insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY;
    if (op.actions & ZYDIS_OPERAND_ACTION_MASK_READ) d.reads.insert(r);
    if (op.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) d.writes.insert_written(r, vex);
  } else if (op.type == ZYDIS_OPERAND_TYPE_MEMORY) {
    d.reads.insert(from_zydis(op.mem.base));
    d.reads.insert(from_zydis(op.mem.index));
    if (op.mem.segment == ZYDIS_REGISTER_FS || op.mem.segment == ZYDIS_REGISTER_GS)
      d.reads.insert(from_zydis(op.mem.segment));
  }
}

// Flags are hidden operands too, but Zydis 4.0 forgets that cmc writes one.
void note_flags(Details& d, const ZydisDecodedInstruction& insn) {
  if (!insn.cpu_flags) return;
  const Register rflags = from_zydis(ZYDIS_REGISTER_RFLAGS);
  const auto& f = *insn.cpu_flags;
  if (f.tested) d.reads.insert(rflags);
  if (f.modified | f.set_0 | f.set_1 | f.undefined) d.writes.insert(rflags);
}

}  // namespace

const char* to_string(Access access) {
  static constexpr const char* names[] = {"-", "r", "w", "rw"};
  return names[static_cast<unsigned>(access)];
}

const char* to_string(OperandType type) {
  static constexpr const char* names[] = {"imm", "reg", "mem"};
  return names[static_cast<unsigned>(type)];
}

std::optional<Vaddr> Details::static_address(const Operand& mem) const {
  assert(mem.type == OperandType::mem);
  static const Register rip = *register_named("rip"), fs = *register_named("fs"),
                        gs = *register_named("gs");
  if (mem.index.exists() || mem.segment == fs || mem.segment == gs) return std::nullopt;
  const auto displacement = static_cast<std::uint64_t>(mem.displacement);
  if (mem.base == rip) return Vaddr{end.value + displacement};
  if (mem.base.exists()) return std::nullopt;
  return Vaddr{displacement};
}

std::optional<InsnKind> classify(std::span<const std::uint8_t> bytes, Vaddr address) {
  ZydisDecodedInstruction insn;
  if (!zydis::decode(bytes, insn)) return std::nullopt;
  return kind_of(insn, address);
}

std::optional<Details> details(std::span<const std::uint8_t> bytes, Vaddr address) {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!zydis::decode(bytes, insn, operands)) return std::nullopt;
  Details d;
  static_cast<InsnKind&>(d) = kind_of(insn, address);
  d.encoding = encoding_of(insn, bytes);
  d.end = address + Bytes{insn.length};
  for (unsigned i = 0; i < insn.operand_count; ++i) {
    if (i < insn.operand_count_visible && d.operand_count < d.operand_storage.size())
      d.operand_storage[d.operand_count++] = operand_of(insn, operands[i], d.end);
    note_registers(d, insn, operands[i]);
  }
  note_flags(d, insn);
  return d;
}

bool may_transfer_control(std::span<const std::uint8_t> bytes) {
  std::size_t i = 0;
  const auto is_prefix = [](std::uint8_t b) {
    return (b & 0xf0) == 0x40 || (b & 0xe7) == 0x26 || (b >= 0x64 && b <= 0x67) || b == 0xf0 ||
           b == 0xf2 || b == 0xf3;
  };
  while (i < bytes.size() && is_prefix(bytes[i])) ++i;
  if (i == bytes.size()) return false;
  const std::uint8_t opcode = bytes[i];
  if (opcode == 0x0f) {
    if (i + 1 == bytes.size()) return false;
    const std::uint8_t second = bytes[i + 1];
    return (second & 0xf0) == 0x80 || second == 0x05;
  }
  return (opcode & 0xf0) == 0x70 ||  // jcc rel8
         (opcode & 0xf8) == 0xe0 ||  // loop, jrcxz (and in, out)
         (opcode & 0xfc) == 0xe8 ||  // call, jmp
         (opcode & 0xf6) == 0xc2 ||  // ret
         opcode == 0xff;
}

}  // namespace punster
