// The feasibility pass: which shapes a whole chain of neighbours should get.

#pragma once

#include <span>
#include <vector>

#include "backend/solve/shape_kinds.h"

namespace punster {

/// The bytes from some instruction on have these kinds.
struct PlanState {
  std::uint32_t cost;  ///< of the best shapes of all instructions of the chain before it
  Kinds kinds;
  Planned before;  ///< the best shape of the instruction before it
};

/// Plans of consecutive chains, in flat arrays that are used again.
class ChainPlans {
 public:
  /// One chain in the arrays: the instructions [first, last).
  struct Chain {
    InsnIndex first = no_insn, last = no_insn;
    std::size_t states = 0, ends = 0, shapes = 0;
  };

  void clear();
  [[nodiscard]] std::size_t insn_count() const { return shapes_.size(); }
  [[nodiscard]] std::span<const Chain> chains() const { return chains_; }
  /// Kinds that may stand from i on, for first <= i <= last.
  [[nodiscard]] std::span<const PlanState> states(const Chain& chain, InsnIndex i) const {
    const std::uint32_t* ends = ends_.data() + chain.ends;
    const std::size_t n = chain.last - i;
    const std::uint32_t begin = n == 0 ? 0 : ends[n - 1];
    return {states_.data() + chain.states + begin, ends[n] - begin};
  }
  /// What i of the chain may become.
  [[nodiscard]] const Shapes& shapes(const Chain& chain, InsnIndex i) const {
    return shapes_[chain.shapes + (chain.last - 1 - i)];
  }

 private:
  friend class ChainPlanner;
  std::vector<Chain> chains_;        // descending
  std::vector<PlanState> states_;    // of each chain: of last (what stands behind), last - 1, ...
  std::vector<std::uint32_t> ends_;  // where the states of last, last - 1, ... of a chain end
  std::vector<Shapes> shapes_;       // of each chain: of last - 1, ...
};

/// Makes plans. It reads of the board only what never changes, so it may run beside the solver.
class ChainPlanner {
 public:
  ChainPlanner(const Board& board, const SolverOptions& options)
      : board_(board), options_(options) {}

  /// The chain of neighbours that i is part of, not planned.
  [[nodiscard]] ChainPlans::Chain chain_of(InsnIndex i) const;
  /// Appends the chain's plan.
  void plan(ChainPlans::Chain chain, ChainPlans& out);

 private:
  void add_state(Kinds kinds, ChainPlans& out);
  void reach_states(const ChainPlans::Chain& chain, InsnIndex i, ChainPlans& out);
  void add_costs(const ChainPlans::Chain& chain, ChainPlans& out);
  [[nodiscard]] Shapes shapes_of(const ChainPlans::Chain& chain, InsnIndex i) const;
  [[nodiscard]] Kinds behind(InsnIndex last) const;
  [[nodiscard]] Kind kind_of(Position p) const;
  [[nodiscard]] Kind kind_of_value(std::uint8_t value) const;
  [[nodiscard]] Kinds own_kinds(InsnIndex i, Planned shape) const;
  [[nodiscard]] Kind kind_within(InsnIndex i, Planned shape, unsigned d) const;

  const Board& board_;
  const SolverOptions& options_;
  std::array<std::uint32_t, 256> seen_{}, cost_now_{};
  std::uint32_t stamp_ = 0;
};

}  // namespace punster
