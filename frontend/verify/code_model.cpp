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

bool leads_to(const ChangedStart& start, Vaddr address, CodeReader& memory) {
  if (start.shape != Shape::jump && start.shape != Shape::trap) return false;
  Vaddr at = start.entry;
  for (int hops = 0; at != address; ++hops) {
    const auto hop = hops < most_hops ? jump_at(memory, at) : std::nullopt;
    if (!hop) return false;
    at = hop->target;
  }
  return true;
}

}  // namespace punster
