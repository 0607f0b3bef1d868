// The feasibility pass: which shape an instruction should get, with all its neighbours in mind.

#pragma once

#include <bitset>

#include "backend/solve/board.h"

namespace punster {

/// A shape in the plan: a jump with so many prefixes, or one of the others.
enum class Planned : std::uint8_t { jump0, jump1, jump2, jump3, short_jump, trap, untouched };
inline constexpr int planned_count = 7;

[[nodiscard]] inline bool is_jump(Planned shape) {
  return shape <= Planned::jump3;
}
[[nodiscard]] inline unsigned prefixes_of(Planned shape) {
  return static_cast<unsigned>(shape);
}

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
  ShapePlan(const Board& board, const SolverOptions& options) : board_(board), options_(options) {}

  /// Makes the plan for i's chain of neighbours unless it was made. Instructions are visited in
  /// descending order; demand() and rank() answer for the chain that was reached last.
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
    return kinds_of(i, shape, with_gap(i, now_behind(i)));
  }

  /// Beyond this a shape costs some site below it a landing pad or a trap.
  static constexpr std::uint32_t tolerable = 20;

 private:
  enum Kind : unsigned { wrong = 0, prefix = 1, free_byte = 2, fixed = 3 };
  /// The kinds of the next four bytes, two bits each, the nearest in the low bits.
  using Kinds = std::uint8_t;
  /// The bytes from some instruction on have these kinds.
  struct State {
    std::uint32_t cost;  // of the best shapes of all instructions of the chain before it
    Kinds kinds;
    Planned before;  // the best shape of the instruction before it
  };
  /// A shape that an instruction may have, as far as that does not depend on what stands behind it.
  struct OneShape {
    Planned shape;
    Kinds own;                          // of the instruction's own bytes then
    std::uint8_t watched;               // two bits from here on tell the kind that decides the cost
    std::array<std::uint32_t, 4> cost;  // by that kind
  };
  struct Shapes {
    std::array<OneShape, planned_count> list;
    int count = 0;
    unsigned gap_shift = 0, gap = 0;  // padding behind the instruction
    unsigned shift = 0;               // where the kinds of what is behind begin
    InsnIndex insn = no_insn;
    /// The four bytes behind the instruction: padding, then those from the next one on.
    [[nodiscard]] Kinds with_gap(Kinds next) const {
      return static_cast<Kinds>(static_cast<unsigned>(next) << gap_shift | gap);
    }
    /// Calls f(shape, cost, kinds from the instruction on) for each shape that is possible when
    /// `next` are the kinds from the next instruction on.
    template <typename F>
    void visit(Kinds next, F&& f) const;
  };

  void plan_chain();
  void reach_states(InsnIndex i, std::size_t end);
  void add_state(Kinds kinds);
  [[nodiscard]] std::span<State> states_of(InsnIndex i);
  [[nodiscard]] std::span<const State> states_of(InsnIndex i) const;
  /// Calls f(p, its likely shape) for the instructions before i, nearest first, that are not placed
  /// yet and whose jump may borrow from i when i has `prefixes` (at most four of them).
  template <typename F>
  void for_jumps_before(InsnIndex i, unsigned prefixes, InsnIndex pending, F&& f) const;
  /// Cheap for the few instructions that were asked for last: what an instruction's shapes do to
  /// its own bytes never changes.
  [[nodiscard]] const Shapes& shapes_of(InsnIndex i) const;
  [[nodiscard]] Shapes work_out_shapes(InsnIndex i) const;
  [[nodiscard]] std::uint32_t cost_below(InsnIndex i, Kinds kinds) const;
  [[nodiscard]] Planned likely(InsnIndex i, Kinds next) const;
  /// The cheapest jump at i, whatever it costs the instructions before; trap when there is none.
  [[nodiscard]] Planned likely_jump(InsnIndex i, Kinds next) const;
  [[nodiscard]] Kinds original_behind(InsnIndex i) const;
  [[nodiscard]] Kinds now_behind(InsnIndex i) const;
  [[nodiscard]] Kind kind_now(InsnIndex j, unsigned d) const;
  [[nodiscard]] Kind kind_of_byte(Position p) const;
  [[nodiscard]] Kinds with_gap(InsnIndex i, Kinds next) const;
  [[nodiscard]] unsigned gap_behind(InsnIndex i) const;
  [[nodiscard]] Kinds kinds_of(InsnIndex i, Planned shape, Kinds behind) const;
  [[nodiscard]] Kinds own_kinds(InsnIndex i, Planned shape) const;
  [[nodiscard]] Kind kind_within(InsnIndex i, Planned shape, unsigned d) const;

  const Board& board_;
  const SolverOptions& options_;
  InsnIndex first_ = no_insn, last_ = no_insn;    // the chain: [first_, last_)
  std::vector<State> states_;                     // of last_ (what stands behind), last_ - 1, ...
  std::vector<std::uint32_t> ends_;               // where the states of last_, last_ - 1, ... end
  mutable std::array<Shapes, 16> recent_shapes_;  // by the low bits of the instruction's index
  std::array<std::uint32_t, 256> seen_{}, cost_now_{};
  std::uint32_t stamp_ = 0;
};

}  // namespace punster
