// The `syscall` instructions of libc and of static programs. A trap needs SIGILL unblocked and our
// handler in place, and these are where a program changes that: so in a file that may get traps
// every displaced one is led past a gate, behind which the runtime sees to it (runtime/gate.S). The
// gate's place must be known before bodies are written; what stands there is written by emit, which
// knows whether there are traps and where the runtime is.

#include <algorithm>

#include "backend/session/session_state.h"

namespace punster {

bool Session::State::is_syscall(const Insn& insn) const {
  if (insn.length() != 2) return false;
  const auto bytes = input->bytes_at(insn.address(), Bytes{2});
  return bytes.size() == 2 && bytes[0] == 0x0f && bytes[1] == 0x05;
}

void Session::State::place_gate() {
  syscall_gate.reset();
  const auto& all = requests.instructions();
  if (solver_options.traps && solver_options.allows(Tactic::B0) &&
      std::any_of(all.begin(), all.end(), [this](const Insn& insn) { return is_syscall(insn); }))
    syscall_gate = Vaddr{static_cast<std::uint64_t>(next_reserved)};
}

bool Session::State::owns_calls(const Planned& plan) const {
  const auto& all = requests.instructions();
  std::vector<bool> displaced(all.size());
  for (std::size_t k = 0; k < plan.bodies->sites().size(); ++k)
    displaced[plan.bodies->sites()[k].insn] = plan.solution.decisions[k].tactic != Tactic::none;
  for (const auto& eviction : plan.solution.evictions) displaced[eviction.insn] = true;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!displaced[i] && is_syscall(all[i])) return false;
  return true;
}

}  // namespace punster
