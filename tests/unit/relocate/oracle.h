// The second opinion on a relocation: what was encoded is decoded again and held against the
// original's *operands*, which plan() mostly does not look at. It decides on its own what may be
// refused and what is out of range.

#pragma once

#include <Zydis/Zydis.h>

#include <span>
#include <string>
#include <vector>

#include "protocol/address.h"

namespace punster::test {

struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  Vaddr address;
  /// The absolute address that operand `i` names, of a branch or RIP-relative memory.
  [[nodiscard]] Vaddr absolute(unsigned i) const;
  [[nodiscard]] bool is(ZydisMnemonic mnemonic) const { return insn.mnemonic == mnemonic; }
};

/// All instructions of `code`, which stands at `address`. Fails the test where Zydis finds none.
std::vector<Decoded> decode_all(std::span<const std::uint8_t> code, Vaddr address);

[[nodiscard]] bool relative(const ZydisDecodedOperand& o);  ///< the target of a direct branch
[[nodiscard]] bool rip_based(const ZydisDecodedOperand& o);
[[nodiscard]] bool is_counted(const Decoded& d);  ///< loop and its like

/// Whether plan() must refuse it. `code`: its bytes.
[[nodiscard]] bool must_be_refused(const Decoded& d, std::span<const std::uint8_t> code);

/// A near call of five to eight bytes, direct or through memory.
[[nodiscard]] bool can_be_retargeted(const Decoded& d);

/// CHECKs that `code`, what encode() wrote, means what `original` does. `end`: the address behind
/// `code`.
void check_equivalent(const Decoded& original, std::span<const Decoded> code, bool fixed,
                      bool retargeted, Vaddr end);

/// Whether every displacement fits when `size` bytes stand at `at`; arithmetic in 128 bits.
[[nodiscard]] bool in_reach(const Decoded& original, Vaddr at, unsigned size, bool fixed,
                            bool retargeted);

}  // namespace punster::test
