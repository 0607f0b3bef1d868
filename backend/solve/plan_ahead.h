// Plans of chains, made by another thread ahead of the solver.
//
// The plan of a chain (chain_plan.h) depends on nothing that the solver does, and the solver asks
// for chains in descending order. So a second core plans while the first one places: a quarter of
// the solver's time. Batches of plans travel through a ring of a few, each used again.

#pragma once

#include <atomic>
#include <thread>

#include "backend/solve/chain_plan.h"

namespace punster {

class PlanAhead {
 public:
  /// `beside`: in a thread of its own; otherwise each chain is planned when it is asked for, with
  /// the same result. Refers to the board, and reads of it what never changes.
  PlanAhead(const Board& board, const SolverOptions& options, bool beside);
  ~PlanAhead();
  PlanAhead(const PlanAhead&) = delete;
  PlanAhead& operator=(const PlanAhead&) = delete;

  struct Reached {
    const ChainPlans* plans = nullptr;
    ChainPlans::Chain chain;
  };
  /// The plan of the chain that site i is part of, valid until the next call. Precondition: the
  /// chains that are asked for descend, and each has a site.
  Reached reach(InsnIndex i);

 private:
  static constexpr std::size_t batches = 4, batch_insns = 4096;

  void run();
  void fill(ChainPlans& batch, std::size_t& site);
  void next_batch();

  const Board& board_;
  ChainPlanner planner_;
  std::array<ChainPlans, batches> ring_;
  std::atomic<std::uint32_t> filled_ = 0, emptied_ = 0;  // batches so far
  std::atomic<bool> stop_ = false;
  std::size_t at_ = 0;  // the next chain of the batch that is read
  std::thread thread_;
};

}  // namespace punster
