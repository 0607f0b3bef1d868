#include "tests/unit/relocate/oracle.h"

#include <catch2/catch.hpp>
#include <string_view>

namespace punster::test {

Vaddr Decoded::absolute(unsigned i) const {
  ZyanU64 value = 0;
  REQUIRE(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&insn, &operands[i], address.value, &value)));
  return Vaddr{value};
}

std::vector<Decoded> decode_all(std::span<const std::uint8_t> code, Vaddr address) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  std::vector<Decoded> all;
  while (!code.empty()) {
    Decoded one;
    one.address = address;
    REQUIRE(ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &one.insn, one.operands)));
    code = code.subspan(one.insn.length);
    address = address + Bytes{one.insn.length};
    all.push_back(one);
  }
  return all;
}

bool relative(const ZydisDecodedOperand& o) {
  return o.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o.imm.is_relative;
}
bool rip_based(const ZydisDecodedOperand& o) {
  return o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.mem.base == ZYDIS_REGISTER_RIP;
}

namespace {

/// Whether operand `i` means the same in both; `pushed`: how far rsp has moved down in between.
bool same_operand(const Decoded& a, const Decoded& b, unsigned i, std::int64_t pushed = 0) {
  const auto& x = a.operands[i];
  const auto& y = b.operands[i];
  if (x.type != y.type || x.size != y.size || x.actions != y.actions) return false;
  switch (x.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
      return x.reg.value == y.reg.value;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      return relative(x) ? a.absolute(i) == b.absolute(i) : x.imm.value.u == y.imm.value.u;
    case ZYDIS_OPERAND_TYPE_POINTER:
      return x.ptr.segment == y.ptr.segment && x.ptr.offset == y.ptr.offset;
    case ZYDIS_OPERAND_TYPE_MEMORY: {
      const auto& m = x.mem;
      const auto& n = y.mem;
      if (m.base != n.base || m.index != n.index || m.scale != n.scale || m.segment != n.segment)
        return false;
      if (rip_based(x)) return a.absolute(i) == b.absolute(i);
      const bool stack = m.base == ZYDIS_REGISTER_RSP || m.base == ZYDIS_REGISTER_ESP;
      return n.disp.value == m.disp.value + (stack ? pushed : 0);
    }
    default:
      return false;
  }
}

/// Every operand, hidden ones included, and what decorates the instruction.
bool same_instruction(const Decoded& a, const Decoded& b) {
  if (a.insn.mnemonic != b.insn.mnemonic || a.insn.operand_count != b.insn.operand_count ||
      a.insn.attributes != b.insn.attributes ||
      a.insn.avx.broadcast.mode != b.insn.avx.broadcast.mode ||
      a.insn.avx.mask.reg != b.insn.avx.mask.reg || a.insn.avx.mask.mode != b.insn.avx.mask.mode ||
      a.insn.avx.rounding.mode != b.insn.avx.rounding.mode)
    return false;
  for (unsigned i = 0; i < a.insn.operand_count; ++i)
    if (!same_operand(a, b, i)) return false;
  return true;
}

}  // namespace

bool is_counted(const Decoded& d) {
  switch (d.insn.mnemonic) {
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
      return true;
    default:
      return false;
  }
}

// The oracle's own list.
bool must_be_refused(const Decoded& d, std::span<const std::uint8_t> code) {
  const auto& first = d.operands[0];
  const bool branches = relative(first) || d.is(ZYDIS_MNEMONIC_CALL);
  for (unsigned i = 0; i < d.insn.operand_count; ++i)
    if (d.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
        d.operands[i].mem.base == ZYDIS_REGISTER_EIP)
      return true;
  if (d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && d.insn.operand_count > 1 &&
      relative(d.operands[1]))
    return true;  // jkzd, jknzd
  if (!branches) return false;
  if (d.is(ZYDIS_MNEMONIC_CALL) && d.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return true;
  if (relative(first) && d.absolute(0) > d.address &&
      d.absolute(0) < d.address + Bytes{d.insn.length})
    return true;
  bool operand_size = false, wide = false;
  for (const auto byte : code) {  // up to the opcode; a REX counts right in front of it only
    static constexpr std::string_view legacy = "\x66\x67\xf2\xf3\x2e\x3e\x64\x65\x26\x36";
    operand_size |= byte == 0x66;
    if (byte >> 4 == 4)
      wide = (byte & 8) != 0;
    else if (legacy.find(static_cast<char>(byte)) != std::string_view::npos)
      wide = false;
    else
      break;
  }
  if (operand_size && !wide && !d.is(ZYDIS_MNEMONIC_XBEGIN)) return true;
  if (d.is(ZYDIS_MNEMONIC_CALL) && !relative(first)) {
    if (first.type == ZYDIS_OPERAND_TYPE_REGISTER) return first.reg.value == ZYDIS_REGISTER_RSP;
    const auto& m = first.mem;
    if (m.base == ZYDIS_REGISTER_RSP || m.base == ZYDIS_REGISTER_ESP)
      return (m.index == ZYDIS_REGISTER_NONE && m.disp.value > -16 && m.disp.value < 0) ||
             m.disp.value > 0x7fffffff - 8;
  }
  return false;
}

namespace {

/// The instructions behind the push of a displaced call; fails unless the push is right.
std::span<const Decoded> behind_push(std::span<const Decoded> code, Vaddr return_address,
                                     bool fixed) {
  if (fixed) {
    REQUIRE(code.size() == 2);
    CHECK(code[0].is(ZYDIS_MNEMONIC_PUSH));
    CHECK(code[0].operands[0].imm.value.u == return_address.value);
    return code.subspan(1);
  }
  REQUIRE(code.size() == 4);
  CHECK(code[0].is(ZYDIS_MNEMONIC_PUSH));
  CHECK(code[1].is(ZYDIS_MNEMONIC_LEA));
  CHECK(code[1].absolute(1) == return_address);
  CHECK(code[2].is(ZYDIS_MNEMONIC_XCHG));
  for (const auto register_at : {&code[0].operands[0], &code[1].operands[0], &code[2].operands[1]})
    CHECK(register_at->reg.value == ZYDIS_REGISTER_RAX);
  CHECK(code[2].operands[0].mem.base == ZYDIS_REGISTER_RSP);
  CHECK(code[2].operands[0].mem.disp.value == 0);
  return code.subspan(3);
}

}  // namespace

// The oracle's own words.
bool can_be_retargeted(const Decoded& d) {
  return d.is(ZYDIS_MNEMONIC_CALL) && d.insn.length >= 5 && d.insn.length <= 8 &&
         d.operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER;
}

void check_equivalent(const Decoded& original, std::span<const Decoded> code, bool fixed,
                      bool retargeted, Vaddr end) {
  const auto& first = original.operands[0];
  if (original.is(ZYDIS_MNEMONIC_CALL)) {
    if (!retargeted)
      code = behind_push(code, original.address + Bytes{original.insn.length}, fixed);
    REQUIRE(code.size() == 1);
    CHECK(code[0].is(ZYDIS_MNEMONIC_JMP));
    CHECK(code[0].insn.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR);
    if (relative(first))
      CHECK(code[0].absolute(0) == original.absolute(0));
    else
      CHECK(same_operand(original, code[0], 0, 8));
    const auto kept = ZYDIS_ATTRIB_HAS_BND | ZYDIS_ATTRIB_HAS_NOTRACK;
    CHECK((code[0].insn.attributes & kept) == (original.insn.attributes & kept));
  } else if (is_counted(original)) {
    REQUIRE(code.size() == 3);
    CHECK(code[0].is(original.insn.mnemonic));
    CHECK(code[0].insn.address_width == original.insn.address_width);
    CHECK(code[0].absolute(0) == code[2].address);
    CHECK(code[1].is(ZYDIS_MNEMONIC_JMP));
    CHECK(code[1].absolute(0) == end);
    CHECK(code[2].is(ZYDIS_MNEMONIC_JMP));
    CHECK(code[2].absolute(0) == original.absolute(0));
  } else if (relative(first)) {
    REQUIRE(code.size() == 1);
    CHECK(code[0].is(original.insn.mnemonic));
    CHECK(code[0].absolute(0) == original.absolute(0));
    const auto kept =
        ZYDIS_ATTRIB_HAS_BND | ZYDIS_ATTRIB_HAS_BRANCH_TAKEN | ZYDIS_ATTRIB_HAS_BRANCH_NOT_TAKEN;
    CHECK((code[0].insn.attributes & kept) == (original.insn.attributes & kept));
  } else {
    REQUIRE(code.size() == 1);
    CHECK(same_instruction(original, code[0]));
  }
}

bool in_reach(const Decoded& original, Vaddr at, unsigned size, bool fixed, bool retargeted) {
  const auto fits = [](Vaddr from, Vaddr to) {
    const auto d = static_cast<__int128>(static_cast<std::int64_t>(to.value)) -
                   static_cast<std::int64_t>(from.value);
    return d >= -(__int128{1} << 31) && d < (__int128{1} << 31);
  };
  bool ok = true;
  for (unsigned i = 0; i < original.insn.operand_count_visible; ++i)
    if (relative(original.operands[i]) || rip_based(original.operands[i]))
      ok = ok && fits(at + Bytes{size}, original.absolute(i));
  if (original.is(ZYDIS_MNEMONIC_CALL) && !fixed && !retargeted)
    ok = ok && fits(at + Bytes{8}, original.address + Bytes{original.insn.length});
  return ok;
}

}  // namespace punster::test
