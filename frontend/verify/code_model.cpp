#include "frontend/verify/code_model.h"

#include <algorithm>

namespace punster {

const ChangedStart* CodeModel::find_changed(Vaddr address) const {
  const auto at =
      std::lower_bound(changed.begin(), changed.end(), address,
                       [](const ChangedStart& start, Vaddr a) { return start.insn.address() < a; });
  return at != changed.end() && at->insn.address() == address ? &*at : nullptr;
}

bool CodeModel::is_start(Vaddr address) const {
  const auto at = std::lower_bound(instructions.begin(), instructions.end(), address,
                                   [](const Insn& insn, Vaddr a) { return insn.address() < a; });
  return at != instructions.end() && at->address() == address;
}

bool CodeModel::differs(Vaddr lo, Vaddr hi) const {
  const auto at = std::upper_bound(changed_bytes.begin(), changed_bytes.end(), lo,
                                   [](Vaddr a, const AddressRange& range) { return a < range.hi; });
  return at != changed_bytes.end() && at->lo < hi;
}

std::optional<JumpHop> jump_at(CodeReader& memory, Vaddr address) {
  auto hop = parse_hop(address, memory.at(address));
  return hop && !hop->call ? hop : std::nullopt;
}

Ways::Ways(const ChangedStart& start, CodeReader& memory) : at_{start.entry} {
  while (count_ < at_.size()) {
    const auto hop = jump_at(memory, at_[count_ - 1]);
    if (!hop || !memory.in_trampoline(hop->target)) break;
    at_[count_++] = hop->target;
  }
}

bool leads_to(const ChangedStart& start, Vaddr address, CodeReader& memory) {
  if (start.shape != Shape::jump && start.shape != Shape::trap) return false;
  if (start.entry == address) return true;
  const Ways ways(start, memory);
  return std::find(ways.all().begin(), ways.all().end(), address) != ways.all().end();
}

}  // namespace punster
