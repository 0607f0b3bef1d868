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
    syscall_gate = vaddr(next_reserved);
}

Result<Solution> Session::State::solve_and_own(const Planned& plan) {
  owned.clear();
  owned_traps.clear();
  PUNSTER_TRY(auto solution, run_solver(plan, {}));
  const auto is_trap = [](const Decision& d) { return d.tactic == Tactic::B0; };
  if (!syscall_gate || std::none_of(solution.decisions.begin(), solution.decisions.end(), is_trap))
    return solution;
  const auto& all = requests.instructions();
  std::vector<bool> is_site(all.size());
  for (const auto& site : plan.bodies->sites()) is_site[site.insn] = true;
  for (std::uint32_t i = 0; i < all.size(); ++i)
    if (!is_site[i] && is_syscall(all[i]) && plan.bodies->body_of(i)) owned.push_back(i);
  if (owned.empty()) return solution;
  return run_solver(plan, {});
}

std::vector<SolverSite> Session::State::solver_sites(Bodies& bodies) const {
  std::vector<SolverSite> sites;
  sites.reserve(bodies.sites().size() + owned.size());
  auto next = owned.begin();
  const auto own_before = [&](std::uint32_t insn) {
    for (; next != owned.end() && *next < insn; ++next)
      sites.push_back(SolverSite::displaced(*next, *bodies.body_of(*next)));
  };
  for (const auto& site : bodies.sites()) {
    own_before(site.insn);
    const std::string* bytes = bodies.replacement_of(site);
    sites.push_back(bytes ? SolverSite::replaced(site.insn, *bytes)
                          : SolverSite::displaced(site.insn, site.address));
    sites.back().retarget_call = site.retargets_call;
    sites.back().trap_only = requests.batch_of(requests.patches()[site.patch]).trap;
  }
  own_before(~std::uint32_t{0});
  return sites;
}

void Session::State::take_out_owned(const std::vector<SolverSite>& sites, Solution& solution) {
  if (owned.empty()) return;
  owned_traps.clear();
  std::vector<std::uint32_t> index(sites.size());  // without the owned ones
  std::vector<Decision> decisions;
  std::vector<Eviction> ours;
  std::uint32_t first_trapped = 0;
  bool any_trapped = false;
  for (std::size_t k = 0; k < sites.size(); ++k) {
    const Decision& decision = solution.decisions[k];
    index[k] = static_cast<std::uint32_t>(decisions.size());
    if (std::binary_search(owned.begin(), owned.end(), sites[k].insn)) {
      if (decision.tactic == Tactic::none) continue;
      ours.push_back({sites[k].insn, 0, sites[k].body()});
      if (decision.tactic == Tactic::B0)
        owned_traps.push_back(
            {requests.instructions()[sites[k].insn].address(), vaddr(sites[k].body())});
      continue;
    }
    if (decision.tactic == Tactic::B0 && !any_trapped) {
      first_trapped = index[k];
      any_trapped = true;
    }
    decisions.push_back(decision);
  }
  for (auto& eviction : ours) eviction.for_site = first_trapped;
  for (auto& eviction : solution.evictions) {
    const bool for_owned =
        std::binary_search(owned.begin(), owned.end(), sites[eviction.for_site].insn);
    eviction.for_site = for_owned ? first_trapped : index[eviction.for_site];
  }
  solution.evictions.insert(solution.evictions.end(), ours.begin(), ours.end());
  std::sort(solution.evictions.begin(), solution.evictions.end(),
            [](const Eviction& a, const Eviction& b) { return a.insn < b.insn; });
  solution.decisions = std::move(decisions);
}

void Session::State::add_owned_traps(std::vector<TrapRoute>& traps) const {
  traps.insert(traps.end(), owned_traps.begin(), owned_traps.end());
  std::sort(traps.begin(), traps.end(),
            [](const TrapRoute& a, const TrapRoute& b) { return a.site < b.site; });
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
