// Bridges: copies of instructions that nobody asked to patch, between the bodies of sites.
//
// When only some instructions are sites, say all jumps, few of them are neighbours, and a body that
// ends with a jump back meets the next site's jump a few instructions later:
//
//   original        bodies, a jump back each       with bridges
//   a: jz d         A: jz d; jmp b                 A: jz D
//   b: mov          b: mov                         b': mov
//   c: jc e         C: jc e; jmp d                 C: jc E
//   d: inc          d: inc                         d': inc
//   e: loop a       E: loop a; jmp f               E: loop A; jmp f
//
// Three taken jumps for each round become none. A copy is right for the reason that bodies are: it
// does what the instruction does, and every way on leads either to bodies or home. Copied is what
// leads, in few instructions, from a place where bodies are left (behind a site, or where a
// displaced branch goes) to the body of a site or to a return or jump; what would only put the jump
// back off is left alone. Calls are left alone, too: their copy would have to push the return
// address itself, which unbalances the return predictor.
//
// What a site's jump may cover behind the site is copied in any case, chaining or not. Run at its
// own place it runs through the last byte of a jump that the processor remembers as taken: each
// time it predicts the jump again and finds its error a dozen cycles later. Two calls of fib(38),
// all jumps, in user seconds: native 0.15, E9Patch 0.69; 1.08 without this rule against 0.29 with
// it, and with --no-chaining 1.43 against 0.60.
//
// Measured: see README's table of run-time overhead, row "all jumps".

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "protocol/instruction.h"

namespace punster {

/// What the chooser needs to know of an instruction's copy.
enum class CopyFlow : std::uint8_t {
  unfit,    ///< no copy: a call, a system call, an endbr64, or not relocatable
  goes_on,  ///< control reaches what is behind it
  leaves,   ///< it never does
};

struct BridgeInput {
  std::span<const Insn> instructions;            ///< ascending, disjoint
  std::function<bool(std::uint32_t)> has_body;   ///< by index: a site, which is not copied
  std::function<bool(std::uint32_t)> enterable;  ///< by index: a site whose body others may enter
  std::function<CopyFlow(std::uint32_t)> flow;   ///< of the copy; asked once per instruction
};

/// An instruction that control comes to from bodies.
struct BridgeEntry {
  std::uint32_t insn = 0;     ///< index
  std::uint32_t covered = 0;  ///< so many instructions from here on are copied wherever they lead
};

/// The instructions worth copying, ascending by index. `entries` may come in any order. What is not
/// covered is copied where at most `most` copies in a row lead to the next body or leave. O(entries
/// * most), each instruction is judged once.
[[nodiscard]] std::vector<std::uint32_t> choose_bridges(const BridgeInput& input,
                                                        std::vector<BridgeEntry> entries,
                                                        unsigned most);

}  // namespace punster
