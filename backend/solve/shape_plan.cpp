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
// The plan looks at no addresses: that a concrete target is free is the placement's business.

#include "backend/solve/shape_plan.h"

#include <algorithm>
#include <cassert>

namespace punster {
namespace {

// A trap is worth several pads, a pad many far targets.
constexpr std::uint32_t cost_prefix = 1, cost_far = 3, cost_odd = 6, cost_tight = 3,
                        cost_evict = 25, cost_pad = 45, cost_tight_pad = 60, cost_lucky_pad = 120,
                        cost_trap = 240, cost_unforeseen = 30;
constexpr std::uint32_t impossible = UINT32_MAX;

constexpr std::array<std::uint32_t, 4> by_kind(std::uint32_t wrong, std::uint32_t prefix,
                                               std::uint32_t free_byte, std::uint32_t fixed) {
  return {wrong, prefix, free_byte, fixed};
}

}  // namespace

void ShapePlan::reach(InsnIndex i) {
  if (i >= first_ && i < last_) return;
  last_ = i + 1;
  while (last_ < board_.insn_count() && board_.adjoins_next(last_ - 1)) ++last_;
  first_ = i;
  while (first_ > 0 && board_.adjoins_next(first_ - 1)) --first_;
  plan_chain();
}

void ShapePlan::plan_chain() {
  states_.clear();
  ends_.clear();
  ++stamp_;
  add_state(original_behind(last_ - 1));
  ends_.push_back(1);
  for (InsnIndex i = last_; i-- > first_;) {
    ++stamp_;
    reach_states(i, states_.size());
    ends_.push_back(static_cast<std::uint32_t>(states_.size()));
  }
  for (auto& state : states_of(first_)) state.cost = 0;
  for (InsnIndex i = first_; i < last_; ++i) {
    // Whatever shapes lead to from the states of i + 1 was collected as a state of i.
    for (const auto& state : states_of(i)) cost_now_[state.kinds] = state.cost;
    const Shapes& shapes = shapes_of(i);
    for (auto& state : states_of(i + 1)) {
      state.cost = impossible;
      shapes.visit(state.kinds, [&](Planned shape, std::uint32_t cost, Kinds kinds) {
        const std::uint32_t total = cost + cost_now_[kinds];
        if (total < state.cost) {
          state.cost = total;
          state.before = shape;
        }
      });
    }
  }
}

void ShapePlan::add_state(Kinds kinds) {
  if (seen_[kinds] == stamp_) return;
  seen_[kinds] = stamp_;
  states_.push_back({0, kinds, Planned::untouched});
}

void ShapePlan::reach_states(InsnIndex i, std::size_t end) {
  const std::size_t begin = ends_.size() >= 2 ? ends_[ends_.size() - 2] : 0;
  const Shapes& shapes = shapes_of(i);
  for (std::size_t s = begin; s < end; ++s)
    shapes.visit(states_[s].kinds, [&](Planned, std::uint32_t, Kinds kinds) { add_state(kinds); });
}

std::span<ShapePlan::State> ShapePlan::states_of(InsnIndex i) {
  const std::size_t n = last_ - i;
  const std::uint32_t begin = n == 0 ? 0 : ends_[n - 1];
  return {states_.data() + begin, ends_[n] - begin};
}

std::span<const ShapePlan::State> ShapePlan::states_of(InsnIndex i) const {
  return const_cast<ShapePlan&>(*this).states_of(i);
}

template <typename F>
void ShapePlan::for_jumps_before(InsnIndex i, unsigned prefixes, InsnIndex pending, F&& f) const {
  assert(prefixes <= prefixes_of(Planned::jump3));
  const Position s = board_.start(i);
  Kinds kinds = kinds_of(i, static_cast<Planned>(prefixes), with_gap(i, now_behind(i)));
  for (InsnIndex p = i; p-- > first_;) {
    if (board_.start(p) + board_.length(p) + 3 < s) break;
    if (board_.placement(p).shape != Shape::untouched) break;
    const Planned shape = p >= pending ? likely_jump(p, kinds) : likely(p, kinds);
    kinds = kinds_of(p, shape, with_gap(p, kinds));
    f(p, shape);
  }
}

const ShapePlan::Shapes& ShapePlan::shapes_of(InsnIndex i) const {
  Shapes& shapes = recent_shapes_[i % recent_shapes_.size()];
  if (shapes.insn != i) shapes = work_out_shapes(i);
  return shapes;
}

ShapePlan::Shapes ShapePlan::work_out_shapes(InsnIndex i) const {
  const unsigned length = board_.length(i), gap = gap_behind(i);
  Shapes shapes;
  shapes.insn = i;
  shapes.gap_shift = 2 * gap;
  for (unsigned d = 0; d < gap; ++d) shapes.gap |= free_byte << (2 * d);
  shapes.shift = 2 * std::min(length, 4u);
  const bool site = board_.is_site(i), replaced = board_.placement(i).shape == Shape::replaced;
  auto add = [&](Planned shape, unsigned watched, std::array<std::uint32_t, 4> cost) {
    shapes.list[shapes.count++] = {shape, own_kinds(i, shape),
                                   static_cast<std::uint8_t>(2 * watched), cost};
  };
  auto add_always = [&](Planned shape, std::uint32_t cost) {
    add(shape, 0, {cost, cost, cost, cost});
  };
  if (!site || replaced) add_always(Planned::untouched, 0);
  if (replaced || (!site && !options_.allows(Tactic::T2))) return shapes;
  if (board_.is_call(i)) {
    add_always(static_cast<Planned>(board_.call_prefixes(i)), 0);
    return shapes;
  }
  const unsigned most = options_.allows(Tactic::T1) ? std::min(length - 1, 3u) : 0;
  for (unsigned k = 0; k <= most; ++k) {
    std::uint32_t cost = (site ? 0 : cost_evict) + k * cost_prefix;
    const auto jump = static_cast<Planned>(k);
    if (k + 5 <= length) {
      add_always(jump, cost);
      continue;
    }
    if (length - k == 1) cost += cost_tight;
    add(jump, k + 4 - length, by_kind(impossible, cost + cost_far, cost, cost + cost_odd));
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

template <typename F>
void ShapePlan::Shapes::visit(Kinds next, F&& f) const {
  const unsigned behind = with_gap(next);
  for (int n = 0; n < count; ++n) {
    const OneShape& one = list[n];
    const std::uint32_t cost = one.cost[behind >> one.watched & 3];
    if (cost != impossible) f(one.shape, cost, static_cast<Kinds>(one.own | behind << shift));
  }
}

ShapePlan::KindsSet ShapePlan::kinds_for_jump(InsnIndex i, const KindsSet* allowed) const {
  KindsSet set;
  const Shapes& shapes = shapes_of(i);
  for (unsigned next = 0; next < set.size(); ++next)
    shapes.visit(static_cast<Kinds>(next), [&](Planned shape, std::uint32_t, Kinds kinds) {
      if ((is_jump(shape) || shape == Planned::untouched) && (!allowed || (*allowed)[kinds]))
        set[next] = true;
    });
  return set;
}

std::uint32_t ShapePlan::cost_below(InsnIndex i, Kinds kinds) const {
  for (const auto& state : states_of(i))
    if (state.kinds == kinds) return state.cost;
  return cost_unforeseen;
}

Planned ShapePlan::likely(InsnIndex i, Kinds next) const {
  for (const auto& state : states_of(i + 1))
    if (state.kinds == next) return state.before;
  Choice best{Planned::trap, impossible};
  shapes_of(i).visit(next, [&](Planned shape, std::uint32_t cost, Kinds kinds) {
    if (const auto total = cost + cost_below(i, kinds); total < best.cost) best = {shape, total};
  });
  return best.shape;
}

Planned ShapePlan::likely_jump(InsnIndex i, Kinds next) const {
  Choice best{Planned::trap, impossible};
  shapes_of(i).visit(next, [&](Planned shape, std::uint32_t cost, Kinds) {
    if (is_jump(shape) && cost < best.cost) best = {shape, cost};
  });
  return best.shape;
}

ShapePlan::Ranking ShapePlan::rank(InsnIndex i) const {
  Ranking ranking;
  shapes_of(i).visit(now_behind(i), [&](Planned shape, std::uint32_t cost, Kinds kinds) {
    if (shape == Planned::trap || shape == Planned::untouched) return;
    int at = ranking.count++;
    const Choice choice{shape, cost + cost_below(i, kinds)};
    for (; at > 0 && ranking.choices[at - 1].cost > choice.cost; --at)
      ranking.choices[at] = ranking.choices[at - 1];
    ranking.choices[at] = choice;
  });
  return ranking;
}

Demand ShapePlan::demand(InsnIndex i, unsigned prefixes, Insistence insistence,
                         InsnIndex pending) const {
  const auto s = static_cast<std::int64_t>(board_.start(i));
  const std::int64_t rel = prefixes + 1;
  // The bytes that a jump at i may choose end here: padding behind i is its own, too.
  std::int64_t l = board_.length(i);
  while (l < rel + 4 && board_.bytes().free_padding(board_.start(i) + static_cast<Position>(l)))
    ++l;
  const ByteChoice& near = board_.tops(i, insistence);
  Demand demand;
  if (rel + 3 < l) {
    demand.byte[3] = &near;
    demand.top_is_free = true;
  }
  for_jumps_before(i, prefixes, pending, [&](InsnIndex p, Planned shape) {
    if (!is_jump(shape) || (!board_.is_site(p) && p < pending)) return;
    const std::int64_t top =
        static_cast<std::int64_t>(board_.start(p)) + prefixes_of(shape) + 4 - s;
    const std::int64_t end = std::min(rel + 4, l);
    if (top >= rel && top < end) demand.byte[top - rel] = &near;
    if (top == rel + 3) demand.top_is_free = false;
    if (top - 1 >= rel && top - 1 < end && !demand.byte[top - 1 - rel])
      demand.byte[top - 1 - rel] = board_.middles(insistence);
  });
  return demand;
}

Borrowers ShapePlan::borrowers(InsnIndex i, unsigned prefixes) const {
  constexpr int unknown = -1;
  const Position s = board_.start(i), rel = s + prefixes + 1;
  std::array<Planned, 4> shapes{};  // of the four instructions before i
  auto source_of = [&](Position p) -> int {
    if (p >= rel + 4) return 4 + board_.bytes().value(p);
    if (p >= rel) return static_cast<int>(p - rel);
    if (p >= s) return 4 + (p == s + prefixes ? board_.opcode(i) : Board::prefix_byte);
    for (InsnIndex q = i; q-- > first_ && i - q <= 4;) {
      if (p < board_.start(q)) continue;
      const unsigned d = p - board_.start(q);
      if (d >= board_.length(q) || !is_jump(shapes[i - q - 1])) return unknown;
      const unsigned k = prefixes_of(shapes[i - q - 1]);
      return d < k ? 4 + Board::prefix_byte : d == k ? 4 + board_.opcode(q) : unknown;
    }
    return unknown;
  };
  Borrowers found;
  for_jumps_before(i, prefixes, no_insn, [&](InsnIndex p, Planned shape) {
    shapes[i - p - 1] = shape;
    if (!is_jump(shape) || !board_.is_site(p)) return;
    const Position first = board_.start(p) + prefixes_of(shape) + 1;
    if (first + 3 < rel || first + 3 >= rel + 4) return;
    Borrower site;
    site.end = board_.bytes().address(board_.start(p)) + prefixes_of(shape) + 5;
    site.free_bytes =
        std::max(0, static_cast<int>(board_.length(p)) - static_cast<int>(prefixes_of(shape)) - 1);
    bool known = true;
    for (int b = site.free_bytes; b < 4; ++b) {
      site.source[b] = source_of(first + b);
      known &= site.source[b] != unknown;
    }
    if (known) found.sites[found.count++] = site;
  });
  return found;
}

/// What stood behind the last instruction of a chain before anything was placed.
ShapePlan::Kinds ShapePlan::original_behind(InsnIndex i) const {
  const Position end = board_.start(i) + board_.length(i);
  unsigned kinds = 0;
  for (unsigned d = 0; d < 4; ++d) kinds |= kind_of_byte(end + d) << (2 * d);
  return static_cast<Kinds>(kinds);
}

/// The kinds of the bytes from i + 1 on as they are now; from padding on where a chain ends.
ShapePlan::Kinds ShapePlan::now_behind(InsnIndex i) const {
  if (i + 1 >= last_) return original_behind(i);
  unsigned kinds = 0, filled = 0;
  for (InsnIndex j = i + 1; filled < 4; ++j) {
    const unsigned length = board_.length(j);
    for (unsigned d = 0; d < length && filled < 4; ++d, ++filled)
      kinds |= kind_now(j, d) << (2 * filled);
    if (filled == 4) break;
    if (j + 1 >= last_) {
      kinds |= static_cast<unsigned>(original_behind(j)) << (2 * filled);
      break;
    }
    for (unsigned gap = gap_behind(j); gap > 0 && filled < 4; --gap, ++filled)
      kinds |= free_byte << (2 * filled);
  }
  return static_cast<Kinds>(kinds);
}

ShapePlan::Kind ShapePlan::kind_now(InsnIndex j, unsigned d) const {
  const Placement& placed = board_.placement(j);
  const Position p = board_.start(j) + d;
  if (placed.shape != Shape::jump || d > placed.prefixes + 4u) return kind_of_byte(p);
  if (d < placed.prefixes) return prefix;
  const bool valid = board_.top_valid(board_.bytes().value(p));
  if (d == placed.prefixes) return valid ? prefix : wrong;
  return valid ? free_byte : wrong;
}

ShapePlan::Kind ShapePlan::kind_of_byte(Position p) const {
  const auto& bytes = board_.bytes();
  if (bytes.kind(p) == ByteKind::outside) return wrong;
  if (bytes.free_padding(p)) return free_byte;
  return board_.top_valid(bytes.value(p)) ? fixed : wrong;
}

unsigned ShapePlan::gap_behind(InsnIndex i) const {
  if (i + 1 >= last_) return 0;
  return std::min(board_.start(i + 1) - board_.start(i) - board_.length(i), 4u);
}

/// The four bytes behind i: padding, then those of the next instruction.
ShapePlan::Kinds ShapePlan::with_gap(InsnIndex i, Kinds next) const {
  return shapes_of(i).with_gap(next);
}

ShapePlan::Kinds ShapePlan::kinds_of(InsnIndex i, Planned shape, Kinds behind) const {
  const unsigned shift = 2 * std::min(board_.length(i), 4u);
  return static_cast<Kinds>(own_kinds(i, shape) | static_cast<unsigned>(behind) << shift);
}

ShapePlan::Kinds ShapePlan::own_kinds(InsnIndex i, Planned shape) const {
  unsigned kinds = 0;
  for (unsigned d = 0; d < std::min(board_.length(i), 4u); ++d)
    kinds |= kind_within(i, shape, d) << (2 * d);
  return static_cast<Kinds>(kinds);
}

ShapePlan::Kind ShapePlan::kind_within(InsnIndex i, Planned shape, unsigned d) const {
  switch (shape) {
    case Planned::untouched:
      return kind_of_byte(board_.start(i) + d);
    case Planned::trap:
      return d < 2 ? fixed : kind_of_byte(board_.start(i) + d);
    case Planned::short_jump:
      if (d == 0) return board_.top_valid(0xeb) ? fixed : wrong;
      return d == 1 ? fixed : kind_of_byte(board_.start(i) + d);
    default:
      break;
  }
  const unsigned k = prefixes_of(shape);
  if (d < k) return prefix;
  if (d == k) return board_.top_valid(board_.opcode(i)) ? prefix : wrong;
  return d <= k + 4 ? free_byte : kind_of_byte(board_.start(i) + d);
}

}  // namespace punster
