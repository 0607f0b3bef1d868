// Whatever plan() and encode() made of a random instruction must hold before the oracle (oracle.h),
// which also decides on its own what may be refused and what is out of range: both must agree
// exactly.

#include <catch2/catch.hpp>
#include <map>

#include "backend/relocate/relocation.h"
#include "protocol/hex.h"
#include "tests/unit/relocate/oracle.h"
#include "tests/unit/relocate/random_instruction.h"
#include "tests/unit/relocate/relocated_text.h"

using namespace punster;
using namespace punster::test;

namespace {

std::string form_of(const Decoded& d) {
  const auto& first = d.operands[0];
  if (is_counted(d)) return "counted";
  if (d.is(ZYDIS_MNEMONIC_XBEGIN)) return "xbegin";
  if (d.is(ZYDIS_MNEMONIC_CALL))
    return relative(first)                             ? "call direct"
           : first.type == ZYDIS_OPERAND_TYPE_REGISTER ? "call register"
           : rip_based(first)                          ? "call rip"
           : first.mem.base == ZYDIS_REGISTER_RSP      ? "call stack"
                                                       : "call memory";
  if (relative(first)) return d.is(ZYDIS_MNEMONIC_JMP) ? "jmp" : "jcc";
  bool rip = false;
  for (unsigned i = 0; i < d.insn.operand_count; ++i) rip |= rip_based(d.operands[i]);
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
    for (const auto& [form, count] : seen) WARN(form << ": " << count);
}
