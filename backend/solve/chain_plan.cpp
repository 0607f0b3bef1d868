// The feasibility pass.
//
// Problem. The top byte of a site's rel32 decides whether its jump can lead into free space at all.
// It stands up to four bytes behind the site, inside some follower, and what it may be depends on
// the follower's shape: an opcode E9 (no good when targets must lie above the image), a prefix
// (fine), a displacement byte (ours to choose). Whether the follower may have that shape depends on
// *its* followers, and so on: runs of one- and two-byte instructions tie a whole epilogue together.
//
// The obvious way decides high to low and takes back a few followers when a site comes out with
// nothing. It finds what is wrong only where it hurts, up to a dozen instructions below the choice
// that caused it, and the search for a repair grows exponentially with that distance.
//
// What we do: all that a site needs to know of its followers is what the four bytes behind it can
// be, and four kinds tell that: wrong, prefix, free, fixed. So a dynamic program over the 256
// possible kinds of four bytes tells, for a whole chain of neighbours, which shapes lead to the
// fewest traps, then landing pads, then far targets, then prefixes. First the kinds that can come
// up are collected from high to low addresses; then, from low to high, each gets the cost of
// everything below it. The placement, which goes from high to low, ranks the shapes of an
// instruction by their own cost plus that of everything below, given what really stands behind it.
// When the best shape finds no free target the next one is taken, and the plan below adapts by
// itself: nothing has to be planned again.
//
// The plan looks at no addresses: that a concrete target is free is the placement's business. So it
// depends on the original bytes alone, and another thread makes it ahead of the solver
// (plan_ahead.h).

#include "backend/solve/chain_plan.h"

#include <algorithm>

namespace punster {
namespace {

// A trap is worth several pads, a pad many far targets.
constexpr unsigned cost_prefix = 1, cost_far = 3, cost_odd = 6, cost_tight = 3, cost_evict = 25,
                   cost_pad = 45, cost_tight_pad = 60, cost_lucky_pad = 120, cost_trap = 240;
constexpr std::uint32_t impossible = UINT32_MAX;

constexpr std::array<std::uint16_t, 4> by_kind(unsigned wrong, unsigned prefix, unsigned free_byte,
                                               unsigned fixed) {
  return {static_cast<std::uint16_t>(wrong), static_cast<std::uint16_t>(prefix),
          static_cast<std::uint16_t>(free_byte), static_cast<std::uint16_t>(fixed)};
}

}  // namespace

void ChainPlans::clear() {
  chains_.clear();
  states_.clear();
  ends_.clear();
  shapes_.clear();
}

ChainPlans::Chain ChainPlanner::chain_of(InsnIndex i) const {
  ChainPlans::Chain chain{i, i + 1};
  while (chain.last < board_.insn_count() && board_.adjoins_next(chain.last - 1)) ++chain.last;
  while (chain.first > 0 && board_.adjoins_next(chain.first - 1)) --chain.first;
  return chain;
}

void ChainPlanner::plan(ChainPlans::Chain chain, ChainPlans& out) {
  chain.states = out.states_.size();
  chain.ends = out.ends_.size();
  chain.shapes = out.shapes_.size();
  ++stamp_;
  add_state(behind(chain.last), out);
  out.ends_.push_back(1);
  for (InsnIndex i = chain.last; i-- > chain.first;) {
    ++stamp_;
    out.shapes_.push_back(shapes_of(chain, i));
    reach_states(chain, i, out);
    out.ends_.push_back(static_cast<std::uint32_t>(out.states_.size() - chain.states));
  }
  out.chains_.push_back(chain);
  add_costs(chain, out);
}

void ChainPlanner::add_costs(const ChainPlans::Chain& chain, ChainPlans& out) {
  const auto states_of = [&](InsnIndex i) {
    const auto found = out.states(chain, i);
    return std::span(const_cast<PlanState*>(found.data()), found.size());
  };
  for (auto& state : states_of(chain.first)) state.cost = 0;
  for (InsnIndex i = chain.first; i < chain.last; ++i) {
    // Whatever shapes lead to from the states of i + 1 was collected as a state of i.
    for (const auto& state : states_of(i)) cost_now_[state.kinds] = state.cost;
    const Shapes& shapes = out.shapes(chain, i);
    for (auto& state : states_of(i + 1)) {
      state.cost = impossible;
      shapes.visit(state.kinds, [&](Planned shape, unsigned cost, Kinds kinds) {
        const std::uint32_t total = cost + cost_now_[kinds];
        if (total < state.cost) {
          state.cost = total;
          state.before = shape;
        }
      });
    }
  }
}

void ChainPlanner::add_state(Kinds kinds, ChainPlans& out) {
  if (seen_[kinds] == stamp_) return;
  seen_[kinds] = stamp_;
  out.states_.push_back({0, kinds, Planned::untouched});
}

void ChainPlanner::reach_states(const ChainPlans::Chain& chain, InsnIndex i, ChainPlans& out) {
  const Shapes& shapes = out.shapes(chain, i);
  // By index: the array grows meanwhile.
  const std::size_t end = out.states_.size(), begin = end - out.states(chain, i + 1).size();
  for (std::size_t s = begin; s < end; ++s)
    shapes.visit(out.states_[s].kinds,
                 [&](Planned, unsigned, Kinds kinds) { add_state(kinds, out); });
}

Shapes ChainPlanner::shapes_of(const ChainPlans::Chain& chain, InsnIndex i) const {
  const unsigned length = board_.length(i);
  const unsigned gap =
      i + 1 < chain.last ? std::min(board_.start(i + 1) - board_.start(i) - length, 4u) : 0;
  Shapes shapes;
  shapes.gap_shift = static_cast<std::uint8_t>(2 * gap);
  for (unsigned d = 0; d < gap; ++d)
    shapes.gap = static_cast<std::uint8_t>(shapes.gap | kind_bits(Kind::free_byte, d));
  shapes.shift = static_cast<std::uint8_t>(2 * std::min(length, 4u));
  const bool site = board_.is_site(i), replaced = board_.replacement(i) != nullptr;
  auto add = [&](Planned shape, unsigned watched, std::array<std::uint16_t, 4> cost) {
    shapes.list[shapes.count++] = {shape, own_kinds(i, shape),
                                   static_cast<std::uint8_t>(2 * watched), cost};
  };
  auto add_always = [&](Planned shape, unsigned cost) {
    add(shape, 0, by_kind(cost, cost, cost, cost));
  };
  if (!site || replaced) add_always(Planned::untouched, 0);
  if (replaced || (!site && !options_.allows(Tactic::T2))) return shapes;
  if (board_.is_trap_only(i)) {
    add_always(Planned::trap, 0);
    return shapes;
  }
  if (board_.is_call(i)) {
    add_always(static_cast<Planned>(board_.call_prefixes(i)), 0);
    return shapes;
  }
  const unsigned most = options_.allows(Tactic::T1) ? std::min(length - 1, 3u) : 0;
  for (unsigned k = 0; k <= most; ++k) {
    unsigned cost = (site ? 0 : cost_evict) + k * cost_prefix;
    const auto jump = static_cast<Planned>(k);
    if (k + 5 <= length) {
      add_always(jump, cost);
      continue;
    }
    if (length - k == 1) cost += cost_tight;
    add(jump, k + 4 - length, by_kind(impossible_shape, cost + cost_far, cost, cost + cost_odd));
  }
  if (!site) return shapes;
  if (options_.allows(Tactic::T3)) {
    if (length >= 2)
      add_always(Planned::short_jump, cost_pad);
    else
      add(Planned::short_jump, 0,
          by_kind(cost_lucky_pad, cost_tight_pad, cost_pad, cost_lucky_pad));
  }
  add_always(Planned::trap, cost_trap);
  return shapes;
}

/// The four bytes behind a chain.
Kinds ChainPlanner::behind(InsnIndex last) const {
  const Position end = board_.start(last - 1) + board_.length(last - 1);
  unsigned kinds = 0;
  for (unsigned d = 0; d < 4; ++d) kinds |= kind_bits(kind_of(end + d), d);
  return static_cast<Kinds>(kinds);
}

Kind ChainPlanner::kind_of(Position p) const {
  const auto& bytes = board_.bytes();
  switch (bytes.kind(p)) {
    case ByteKind::outside:
      return Kind::wrong;
    case ByteKind::padding:
      return Kind::free_byte;
    default:
      return kind_of_value(bytes.original(p));
  }
}

Kind ChainPlanner::kind_of_value(std::uint8_t value) const {
  return board_.top_valid(value) ? Kind::fixed : Kind::wrong;
}

Kinds ChainPlanner::own_kinds(InsnIndex i, Planned shape) const {
  unsigned kinds = 0;
  for (unsigned d = 0; d < std::min(board_.length(i), 4u); ++d)
    kinds |= kind_bits(kind_within(i, shape, d), d);
  return static_cast<Kinds>(kinds);
}

Kind ChainPlanner::kind_within(InsnIndex i, Planned shape, unsigned d) const {
  const auto original = [&] {
    const std::string* bytes = board_.replacement(i);
    return bytes ? kind_of_value(static_cast<std::uint8_t>((*bytes)[d]))
                 : kind_of(board_.start(i) + d);
  };
  switch (shape) {
    case Planned::untouched:
      return original();
    case Planned::trap:
      return d < 2 ? Kind::fixed : original();
    case Planned::short_jump:
      if (d == 0) return board_.top_valid(0xeb) ? Kind::fixed : Kind::wrong;
      return d == 1 ? Kind::fixed : original();
    default:
      break;
  }
  const unsigned k = prefixes_of(shape);
  if (d < k) return Kind::prefix;
  if (d == k) return board_.top_valid(board_.opcode(i)) ? Kind::prefix : Kind::wrong;
  return d <= k + 4 ? Kind::free_byte : original();
}

}  // namespace punster
