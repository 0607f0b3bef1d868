#include "backend/solve/plan_ahead.h"

#include <cassert>

namespace punster {

PlanAhead::PlanAhead(const Board& board, const SolverOptions& options, bool beside)
    : board_(board), planner_(board, options) {
  if (beside) thread_ = std::thread([this] { run(); });
}

PlanAhead::~PlanAhead() {
  if (!thread_.joinable()) return;
  stop_ = true;
  ++emptied_;  // so that the thread has something to wake up for
  emptied_.notify_one();
  thread_.join();
}

void PlanAhead::run() {
  std::size_t site = board_.input().sites.size();
  while (site > 0 && !stop_) {
    const std::uint32_t filled = filled_;
    for (std::uint32_t emptied = emptied_; filled - emptied == batches; emptied = emptied_)
      emptied_.wait(emptied);
    if (stop_) return;
    fill(ring_[filled % batches], site);
    ++filled_;
    filled_.notify_one();
  }
}

/// The chains of the sites before `site`, from high to low addresses.
void PlanAhead::fill(ChainPlans& batch, std::size_t& site) {
  const auto& sites = board_.input().sites;
  batch.clear();
  while (site > 0 && batch.insn_count() < batch_insns) {
    const auto chain = planner_.chain_of(sites[site - 1].insn);
    planner_.plan(chain, batch);
    while (site > 0 && sites[site - 1].insn >= chain.first) --site;
  }
}

void PlanAhead::next_batch() {
  ++emptied_;
  emptied_.notify_one();
  at_ = 0;
}

PlanAhead::Reached PlanAhead::reach(InsnIndex i) {
  if (!thread_.joinable()) {
    ring_[0].clear();
    planner_.plan(planner_.chain_of(i), ring_[0]);
    return {&ring_[0], ring_[0].chains().front()};
  }
  while (true) {
    const std::uint32_t read = emptied_;
    filled_.wait(read);  // nothing is filled that was not emptied yet
    const ChainPlans& batch = ring_[read % batches];
    for (; at_ < batch.chains().size(); ++at_)
      if (batch.chains()[at_].first <= i) {
        assert(i < batch.chains()[at_].last);
        return {&batch, batch.chains()[at_]};
      }
    next_batch();
  }
}

}  // namespace punster
