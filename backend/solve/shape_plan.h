// Which shape an instruction should get, with all its neighbours in mind: the plan of its chain
// (chain_plan.h) meets what really stands behind it.

#pragma once

#include <bitset>

#include "backend/solve/plan_ahead.h"

namespace punster {

/// A site before an instruction i that will borrow from i's displacement.
struct Borrower {
  std::int64_t end = 0;  ///< the address behind its rel32
  int free_bytes = 0;    ///< low bytes that are its own to choose
  /// Where byte b of its rel32 comes from: byte 0 to 3 of i's rel32, or 4 + a value that is known.
  /// Meaningless below free_bytes.
  std::array<int, 4> source{};
};
struct Borrowers {
  std::array<Borrower, 4> sites;
  int count = 0;
  [[nodiscard]] const Borrower* begin() const { return sites.data(); }
  [[nodiscard]] const Borrower* end() const { return sites.data() + count; }
};

/// Advises on instructions in descending order. Refers to the board, reads it, never changes it.
class ShapePlan {
 public:
  ShapePlan(const Board& board, const SolverOptions& options)
      : board_(board), ahead_(board, options, options.threads > 1) {}

  /// Goes to the plan of site i's chain of neighbours. Sites are visited in descending order; all
  /// other questions are about the chain that was reached last.
  void reach(InsnIndex i);

  struct Choice {
    Planned shape;
    std::uint32_t cost;  ///< of this shape here, and of the best shapes below it in the chain
  };
  struct Ranking {
    std::array<Choice, planned_count> choices;
    int count = 0;
    [[nodiscard]] const Choice* begin() const { return choices.data(); }
    [[nodiscard]] const Choice* end() const { return choices.data() + count; }
  };
  /// The possible shapes of i, given what stands behind it now, best first; traps are left out.
  [[nodiscard]] Ranking rank(InsnIndex i) const;

  /// Whether i, not placed yet, will be a jump if everything goes well from here on.
  [[nodiscard]] bool expects_jump(InsnIndex i) const { return is_jump(likely(i, now_behind(i))); }

  /// What sites before i, not placed yet, will ask of the free bytes of i's rel32 when i has
  /// `prefixes`. Instructions from `pending` on are about to be placed, sites or not.
  [[nodiscard]] Demand demand(InsnIndex i, unsigned prefixes, Insistence insistence,
                              InsnIndex pending = no_insn) const;

  /// The sites before i, not placed yet, whose top byte will be a byte of i's displacement when i
  /// has `prefixes`, as far as the rest of their displacement is known.
  [[nodiscard]] Borrowers borrowers(InsnIndex i, unsigned prefixes) const;

  /// The kinds of what stands behind an instruction, as a set.
  using KindsSet = std::bitset<256>;
  /// Those with which i can be a jump, whose kinds from i on then are in `allowed` (null: any). An
  /// instruction that is no site may also stay as it is.
  [[nodiscard]] KindsSet kinds_for_jump(InsnIndex i, const KindsSet* allowed) const;
  /// The kinds behind i now.
  [[nodiscard]] unsigned kinds_behind(InsnIndex i) const { return now_behind(i); }
  /// The kinds from i on when i has this shape, given what stands behind it now.
  [[nodiscard]] unsigned kinds_from(InsnIndex i, Planned shape) const {
    return kinds_of(i, shape, now_behind(i));
  }

  /// Beyond this a shape costs some site below it a landing pad or a trap.
  static constexpr std::uint32_t tolerable = 20;

 private:
  [[nodiscard]] std::span<const PlanState> states_of(InsnIndex i) const {
    return now_.plans->states(now_.chain, i);
  }
  [[nodiscard]] const Shapes& shapes_of(InsnIndex i) const {
    return now_.plans->shapes(now_.chain, i);
  }
  /// Calls f(p, its likely shape) for the instructions before i, nearest first, that are not placed
  /// yet and whose jump may borrow from i when i has `prefixes` (at most four of them).
  template <typename F>
  void for_jumps_before(InsnIndex i, unsigned prefixes, InsnIndex pending, F&& f) const;
  [[nodiscard]] std::uint32_t cost_below(InsnIndex i, Kinds kinds) const;
  [[nodiscard]] Planned likely(InsnIndex i, Kinds next) const;
  /// The cheapest jump at i, whatever it costs the instructions before; trap when there is none.
  [[nodiscard]] Planned likely_jump(InsnIndex i, Kinds next) const;
  [[nodiscard]] Kinds behind_chain() const;
  [[nodiscard]] Kinds now_behind(InsnIndex i) const;
  [[nodiscard]] Kind kind_now(InsnIndex j, unsigned d) const;
  [[nodiscard]] Kind kind_of_byte(Position p) const;
  /// The kinds from i on when i has this shape and these kinds stand behind it.
  [[nodiscard]] Kinds kinds_of(InsnIndex i, Planned shape, Kinds next) const;

  const Board& board_;
  PlanAhead ahead_;
  PlanAhead::Reached now_;
};

}  // namespace punster
