// What the proof of single instructions rests on: the two images, the known instruction starts,
// which of them changed, and where each changed one leads now. Filled first, then read by all
// threads.

#pragma once

#include <span>
#include <vector>

#include "frontend/verify/body_entries.h"
#include "frontend/verify/code_reader.h"
#include "frontend/verify/jump_path.h"
#include "protocol/instruction.h"

namespace punster {

/// How a changed instruction start looks now.
enum class Shape : std::uint8_t {
  jump,      ///< a jump, by way of landing pads or not, into a trampoline
  call,      ///< a call retargeted in place (C1)
  trap,      ///< ud2 or a one-byte undefined opcode, routed by the trap table
  replaced,  ///< other instructions that the site file asks for
  unknown,   ///< none of these: a fault, reported when it was classified
};

struct ChangedStart {
  Insn insn;
  Shape shape = Shape::unknown;
  Vaddr entry;  ///< the first address in a trampoline; of jump, call and trap
};

struct CodeModel {
  const PatchedImage* original = nullptr;
  const PatchedImage* patched = nullptr;
  std::span<const Insn> instructions;       ///< ascending
  std::vector<ChangedStart> changed;        ///< ascending
  std::vector<AddressRange> changed_bytes;  ///< ascending runs of differing bytes
  BodyEntries entries;                      ///< of `changed`
  bool movable = true;                      ///< position-independent
  Vaddr syscall_gate;  ///< displaced `syscall` instructions come by; 0: there is none

  [[nodiscard]] const ChangedStart* find_changed(Vaddr address) const;
  [[nodiscard]] bool is_start(Vaddr address) const;
  /// Whether any byte of [lo, hi) differs from the original.
  [[nodiscard]] bool differs(Vaddr lo, Vaddr hi) const;
};

/// Jumps in a row that are followed: short jump, landing pad, stub, and one to spare.
inline constexpr int most_hops = 4;

/// The jump that stands at `address` after start, calls not among them.
[[nodiscard]] std::optional<JumpHop> jump_at(CodeReader& memory, Vaddr address);

/// The addresses in trampolines that a jump, a retargeted call or a trap leads to without running
/// anything: its entry, and on along the jumps that stand there (stubs, a displaced jump).
class Ways {
 public:
  Ways(const ChangedStart& start, CodeReader& memory);
  [[nodiscard]] std::span<const Vaddr> all() const { return std::span(at_).first(count_); }
  [[nodiscard]] Vaddr last() const { return at_[count_ - 1]; }

 private:
  std::array<Vaddr, most_hops + 1> at_;
  std::size_t count_ = 1;
};

/// Whether `address` is one of the ways of `start`. Never for a retargeted call: what stands there
/// expects a return address.
[[nodiscard]] bool leads_to(const ChangedStart& start, Vaddr address, CodeReader& memory);

}  // namespace punster
