// The oracle: whatever plan() and encode() made of a random instruction is decoded again and held
// against the original's *operands*, which plan() mostly does not look at. It also decides on its own
// what may be refused and what is out of range, and both must agree exactly.

#include <catch2/catch.hpp>

#include <map>

#include "backend/relocate/relocation.h"
#include "protocol/hex.h"
#include "tests/unit/relocate/random_instruction.h"
#include "tests/unit/relocate/relocated_text.h"

using namespace punster;
using namespace punster::test;

namespace {

struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  Vaddr address;
  /// The absolute address that operand `i` names, of a branch or RIP-relative memory.
  [[nodiscard]] Vaddr absolute(unsigned i) const {
    ZyanU64 value = 0;
    REQUIRE(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&insn, &operands[i], address.value, &value)));
    return Vaddr{value};
  }
  [[nodiscard]] bool is(ZydisMnemonic mnemonic) const { return insn.mnemonic == mnemonic; }
};

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

/// Whether operand `i` means the same in both; `pushed`: how far rsp has moved down in between.
bool same_operand(const Decoded& a, const Decoded& b, unsigned i, std::int64_t pushed = 0) {
  const auto& x = a.operands[i];
  const auto& y = b.operands[i];
  if (x.type != y.type || x.size != y.size || x.actions != y.actions)
    return false;
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
      if (rip_based(x))
        return a.absolute(i) == b.absolute(i);
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
      a.insn.attributes != b.insn.attributes || a.insn.avx.broadcast.mode != b.insn.avx.broadcast.mode ||
      a.insn.avx.mask.reg != b.insn.avx.mask.reg || a.insn.avx.mask.mode != b.insn.avx.mask.mode ||
      a.insn.avx.rounding.mode != b.insn.avx.rounding.mode)
    return false;
  for (unsigned i = 0; i < a.insn.operand_count; ++i)
    if (!same_operand(a, b, i))
      return false;
  return true;
}

bool is_counted(const Decoded& d) {
  switch (d.insn.mnemonic) {
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ: return true;
    default: return false;
  }
}

/// The oracle's own list of what must be refused.
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
  if (!branches)
    return false;
  if (d.is(ZYDIS_MNEMONIC_CALL) && d.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
    return true;
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
  if (operand_size && !wide && !d.is(ZYDIS_MNEMONIC_XBEGIN))
    return true;
  if (d.is(ZYDIS_MNEMONIC_CALL) && !relative(first)) {
    if (first.type == ZYDIS_OPERAND_TYPE_REGISTER)
      return first.reg.value == ZYDIS_REGISTER_RSP;
    const auto& m = first.mem;
    if (m.base == ZYDIS_REGISTER_RSP || m.base == ZYDIS_REGISTER_ESP)
      return (m.index == ZYDIS_REGISTER_NONE && m.disp.value > -16 && m.disp.value < 0) ||
             m.disp.value > 0x7fffffff - 8;
  }
  return false;
}

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

/// A near call of five to eight bytes, direct or through memory: the oracle's own words.
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
    const auto kept = ZYDIS_ATTRIB_HAS_BND | ZYDIS_ATTRIB_HAS_BRANCH_TAKEN |
                      ZYDIS_ATTRIB_HAS_BRANCH_NOT_TAKEN;
    CHECK((code[0].insn.attributes & kept) == (original.insn.attributes & kept));
  } else {
    REQUIRE(code.size() == 1);
    CHECK(same_instruction(original, code[0]));
  }
}

/// Whether every displacement fits; the oracle's arithmetic, in 128 bits.
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

std::string form_of(const Decoded& d) {
  const auto& first = d.operands[0];
  if (is_counted(d))
    return "counted";
  if (d.is(ZYDIS_MNEMONIC_XBEGIN))
    return "xbegin";
  if (d.is(ZYDIS_MNEMONIC_CALL))
    return relative(first)                                 ? "call direct"
           : first.type == ZYDIS_OPERAND_TYPE_REGISTER     ? "call register"
           : rip_based(first)                              ? "call rip"
           : first.mem.base == ZYDIS_REGISTER_RSP          ? "call stack"
                                                           : "call memory";
  if (relative(first))
    return d.is(ZYDIS_MNEMONIC_JMP) ? "jmp" : "jcc";
  bool rip = false;
  for (unsigned i = 0; i < d.insn.operand_count; ++i)
    rip |= rip_based(d.operands[i]);
  return "map " + std::to_string(d.insn.encoding) + "." + std::to_string(d.insn.opcode_map) +
         (rip ? " rip" : "");
}

}  // namespace

TEST_CASE("120,000 random instructions mean the same after relocation", "[relocate]") {
  const char* given = std::getenv("PUNSTER_TEST_SEED");
  const auto seed = given ? std::strtoull(given, nullptr, 0) : 20240229;
  INFO("PUNSTER_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);

  std::map<std::string, unsigned> seen;
  unsigned refused = 0, far_away = 0, retargeted_calls = 0;
  for (unsigned n = 0; n < 120000; ++n) {
    const auto drawn = draw_instruction(random);
    const std::span code(drawn.bytes.data(), drawn.insn.length);
    const Vaddr address{0x400000 + random() % 0x40000000};
    const Vaddr at{address.value + random() % 0xc0000000 - 0x60000000};
    const bool fixed = random() % 2 != 0;
    const auto original = decode_all(code, address).at(0);
    INFO(to_hex(code) << " at " << to_hex(address) << ": " << disassemble(code, address));

    const auto calls = random() % 2 != 0 ? CallForm::retargeted : CallForm::emulated;
    const bool retargeted = calls == CallForm::retargeted && can_be_retargeted(original);
    const auto planned = Relocation::plan(drawn.bytes, address, fixed, calls);
    REQUIRE(planned.has_value() == !must_be_refused(original, code));
    if (!planned) {
      CHECK(planned.error().kind == "cannot_relocate");
      ++refused;
      continue;
    }
    const auto& relocation = planned.value();
    REQUIRE(relocation.length() == code.size());
    REQUIRE(relocation.size() <= Relocation::max_size);
    CHECK(relocation.retargets_call() == retargeted);
    CHECK(relocation.emulates_call() == (original.is(ZYDIS_MNEMONIC_CALL) && !retargeted));

    // encode() writes exactly size() bytes: the guard behind them stays.
    std::vector<std::uint8_t> out(relocation.size() + 16, 0xa5);
    const auto encoded = relocation.encode(at, out);
    REQUIRE(encoded.has_value() == in_reach(original, at, relocation.size(), fixed, retargeted));
    if (!encoded) {
      CHECK(encoded.error().kind == "out_of_range");
      ++far_away;
      continue;
    }
    CHECK(std::count(out.end() - 16, out.end(), 0xa5) == 16);
    out.resize(relocation.size());
    INFO("became " << to_hex(out) << " at " << to_hex(at) << ": " << disassemble(out, at));
    check_equivalent(original, decode_all(out, at), fixed, retargeted,
                     at + Bytes{relocation.size()});
    ++seen[form_of(original)];
    retargeted_calls += retargeted ? 1 : 0;
  }

  // The draw is only worth something when every form was in it.
  for (const auto* form : {"jmp", "jcc", "counted", "xbegin", "call direct", "call register",
                           "call rip", "call stack", "call memory"}) {
    INFO(form);
    CHECK(seen[form] >= 300);
  }
  const auto rip = [&](ZydisInstructionEncoding encoding, ZydisOpcodeMap map) {
    return seen["map " + std::to_string(encoding) + "." + std::to_string(map) + " rip"];
  };
  for (const auto map : {ZYDIS_OPCODE_MAP_DEFAULT, ZYDIS_OPCODE_MAP_0F, ZYDIS_OPCODE_MAP_0F38,
                         ZYDIS_OPCODE_MAP_0F3A})
    CHECK(rip(ZYDIS_INSTRUCTION_ENCODING_LEGACY, map) >= 300);
  for (const auto map : {ZYDIS_OPCODE_MAP_0F, ZYDIS_OPCODE_MAP_0F38, ZYDIS_OPCODE_MAP_0F3A})
    CHECK(rip(ZYDIS_INSTRUCTION_ENCODING_VEX, map) >= 300);
  for (const auto map : {ZYDIS_OPCODE_MAP_0F, ZYDIS_OPCODE_MAP_0F38, ZYDIS_OPCODE_MAP_0F3A,
                         ZYDIS_OPCODE_MAP_MAP5, ZYDIS_OPCODE_MAP_MAP6})
    CHECK(rip(ZYDIS_INSTRUCTION_ENCODING_EVEX, map) >= 300);
  for (const auto map : {ZYDIS_OPCODE_MAP_XOP8, ZYDIS_OPCODE_MAP_XOP9, ZYDIS_OPCODE_MAP_XOPA})
    CHECK(rip(ZYDIS_INSTRUCTION_ENCODING_XOP, map) >= 300);
  CHECK(retargeted_calls >= 300);
  CHECK(refused >= 300);
  CHECK(far_away >= 300);
  if (std::getenv("PUNSTER_TEST_VERBOSE"))
    for (const auto& [form, count] : seen)
      WARN(form << ": " << count);
}
