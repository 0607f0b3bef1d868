// Random valid instructions, dense in what relocation cares about: RIP-relative operands in every
// encoding, branches of every form, calls through every kind of operand, redundant prefixes.

#pragma once

#include <Zydis/Zydis.h>

#include <array>
#include <random>

namespace punster::test {

struct RandomInstruction {
  std::array<std::uint8_t, 15> bytes;
  ZydisDecodedInstruction insn;  // insn.length bytes are the instruction
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/// Draws until Zydis takes what it drew. Deterministic for a given `random`.
RandomInstruction draw_instruction(std::mt19937_64& random);

}  // namespace punster::test
