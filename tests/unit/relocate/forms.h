// Every form of instruction that has a RIP-relative or a branch operand, one example each.
//
// The encoding space is walked, not sampled: each map of each encoding, each opcode, each set of
// prefixes that selects an operation or a size, W, vector length, broadcast and masking, each value
// of ModRM.reg. What Zydis decodes and is not told apart from one before by its operation, its
// operands' sizes or its decoration is one form.

#pragma once

#include <vector>

#include "tests/unit/relocate/oracle.h"

namespace punster::test {

struct Form {
  std::array<std::uint8_t, 15> bytes{};  // the displacement holds zeros, immediates ones
  std::uint8_t length = 0;
  std::uint8_t displacement = 0;  // where in bytes it stands; 0: it has none
  std::uint8_t displacement_bytes = 0;
  bool branch = false;     // it is the target of a direct branch
  bool encodable = false;  // Zydis' encoder writes it, too
  ZydisInstructionEncoding encoding{};
  [[nodiscard]] std::span<const std::uint8_t> code() const { return {bytes.data(), length}; }
};

/// With a RIP- or EIP-relative memory operand (mod 0, rm 5).
std::vector<Form> rip_relative_forms();

/// Direct branches and indirect ones through registers, under every pair of prefixes and some REX.
std::vector<Form> branch_forms();

}  // namespace punster::test
