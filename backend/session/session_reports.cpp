// What a session tells about its last plan: per site, and why.

#include <algorithm>

#include "backend/session/session_state.h"

namespace punster {

Result<ResultsReply> Session::results(const ResultsRequest& request) const {
  if (!state_->planned)
    return error("no_plan", "nothing is solved yet; send `plan` or `emit` first");
  const auto& plan = *state_->planned;
  const auto& sites = plan.bodies->sites();
  const auto& refused = plan.bodies->refused();
  const auto& patches = state_->requests.patches();
  ResultsReply reply;
  reply.total = patches.size();
  // Sites and refused ones are both ascending by patch; together they are all patches.
  auto site = std::lower_bound(sites.begin(), sites.end(), request.from,
                               [](const SiteBody& s, std::uint64_t p) { return s.patch < p; });
  const std::uint64_t last = std::min<std::uint64_t>(
      patches.size(), request.from + std::min<std::uint64_t>(request.count, patches.size()));
  for (std::uint64_t p = request.from; p < last; ++p) {
    reply.address.push_back(patches[p].address);
    if (site == sites.end() || site->patch != p) {
      const auto why =
          std::lower_bound(refused.begin(), refused.end(), p,
                           [](const RefusedSite& r, std::uint64_t q) { return r.patch < q; });
      reply.result.emplace_back("failed");
      reply.tactic.emplace_back();
      reply.means.emplace_back();
      reply.trampoline.emplace_back();
      reply.evicted.emplace_back();
      reply.reason.push_back(why->reason);
      continue;
    }
    const auto k = static_cast<std::uint32_t>(site - sites.begin());
    const Decision& decision = plan.solution.decisions[k];
    const bool failed = decision.tactic == Tactic::none, trapped = decision.tactic == Tactic::B0;
    reply.result.emplace_back(failed ? "failed" : trapped ? "trapped" : "patched");
    reply.tactic.emplace_back(to_string(decision.tactic));
    reply.means.push_back(means_names(decision.means));
    reply.trampoline.push_back(
        failed || decision.tactic == Tactic::I0 ? std::nullopt : std::optional(plan.body_of(k)));
    const auto evicted = plan.evicted_by_site.find(k);
    reply.evicted.push_back(evicted == plan.evicted_by_site.end() ? std::vector<Vaddr>{}
                                                                  : evicted->second);
    reply.reason.emplace_back(failed || trapped ? "no jump fits; `explain` lists what was tried"
                                                : "");
    ++site;
  }
  return reply;
}

Result<ExplainReply> Session::explain(const ExplainRequest& request) {
  PUNSTER_TRY(state_->need_input());
  state_->cancelled = false;
  PUNSTER_TRY(state_->rewrite_in_memory());
  auto& plan = *state_->planned;
  const auto& sites = plan.bodies->sites();
  const auto& refused = plan.bodies->refused();
  std::vector<std::uint32_t> trace;
  for (const auto address : request.addresses)
    if (const auto insn = state_->requests.find(address)) trace.push_back(*insn);
  // Solving again with a trace gives the same decisions: the solver is deterministic. Bodies of
  // evicted instructions keep the addresses that the first run gave them.
  PUNSTER_TRY(const auto traced, state_->run_solver(plan, trace));
  ExplainReply reply;
  for (const auto address : request.addresses) {
    Explanation e;
    e.address = address;
    const auto insn = state_->requests.find(address);
    const auto site = std::find_if(sites.begin(), sites.end(),
                                   [&](const SiteBody& s) { return insn && s.insn == *insn; });
    const auto refusal = std::find_if(refused.begin(), refused.end(), [&](const RefusedSite& r) {
      return state_->requests.patches()[r.patch].address == address;
    });
    if (!insn) {
      e.note = "no instruction is known to start here";
    } else if (refusal != refused.end()) {
      e.result = "failed";
      e.note = refusal->reason;
    } else if (site == sites.end()) {
      e.note = "not a site";
      for (const auto& eviction : plan.solution.evictions)
        if (eviction.insn == *insn) e.note = "not a site; evicted for a site before it";
    } else {
      const Decision& decision = traced.decisions[static_cast<std::size_t>(site - sites.begin())];
      e.tactic = to_string(decision.tactic);
      e.result = decision.tactic == Tactic::none ? "failed"
                 : decision.tactic == Tactic::B0 ? "trapped"
                                                 : "patched";
      if (site->size > 0)
        e.trampoline = plan.body_of(static_cast<std::uint32_t>(site - sites.begin()));
      if (decision.target() != 0) e.jump_target = vaddr(decision.target());
      for (const auto& note : traced.trace)
        if (note.insn == *insn) e.alternatives.push_back({note.tactic, note.outcome});
      const Insn& known = state_->requests.instructions()[*insn];
      for (std::uint64_t b = 0; b < decision.borrowed; ++b)
        e.borrowed_from.push_back(known.end() + Bytes{b});
    }
    reply.explanations.push_back(std::move(e));
  }
  return reply;
}

}  // namespace punster
