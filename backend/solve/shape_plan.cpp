#include "backend/solve/shape_plan.h"

#include <algorithm>
#include <cassert>

namespace punster {
namespace {

constexpr std::uint32_t cost_unforeseen = 30;
constexpr std::uint32_t impossible = UINT32_MAX;

}  // namespace

void ShapePlan::reach(InsnIndex i) {
  if (now_.plans && i >= now_.chain.first && i < now_.chain.last) return;
  now_ = ahead_.reach(i);
}

template <typename F>
void ShapePlan::for_jumps_before(InsnIndex i, unsigned prefixes, InsnIndex pending, F&& f) const {
  assert(prefixes <= prefixes_of(Planned::jump3));
  const Position s = board_.start(i);
  Kinds kinds = kinds_of(i, static_cast<Planned>(prefixes), now_behind(i));
  for (InsnIndex p = i; p-- > now_.chain.first;) {
    if (board_.start(p) + board_.length(p) + 3 < s) break;
    if (board_.placement(p).shape != Shape::untouched) break;
    const Planned shape = p >= pending ? likely_jump(p, kinds) : likely(p, kinds);
    kinds = kinds_of(p, shape, kinds);
    f(p, shape);
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
    for (InsnIndex q = i; q-- > now_.chain.first && i - q <= 4;) {
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

/// The four bytes behind the chain, as they are now.
Kinds ShapePlan::behind_chain() const {
  const InsnIndex i = now_.chain.last - 1;
  const Position end = board_.start(i) + board_.length(i);
  unsigned kinds = 0;
  for (unsigned d = 0; d < 4; ++d) kinds |= kind_bits(kind_of_byte(end + d), d);
  return static_cast<Kinds>(kinds);
}

/// The kinds of the bytes from i + 1 on as they are now; from padding on where a chain ends.
Kinds ShapePlan::now_behind(InsnIndex i) const {
  unsigned kinds = 0, filled = 0;
  for (InsnIndex j = i + 1; filled < 4; ++j) {
    if (j >= now_.chain.last) {
      kinds |= static_cast<unsigned>(behind_chain()) << (2 * filled);
      break;
    }
    if (j > i + 1)
      for (Position p = board_.start(j - 1) + board_.length(j - 1);
           p < board_.start(j) && filled < 4; ++p, ++filled)
        kinds |= kind_bits(Kind::free_byte, filled);
    const unsigned length = board_.length(j);
    for (unsigned d = 0; d < length && filled < 4; ++d, ++filled)
      kinds |= kind_bits(kind_now(j, d), filled);
  }
  return static_cast<Kinds>(kinds);
}

Kind ShapePlan::kind_now(InsnIndex j, unsigned d) const {
  const Placement& placed = board_.placement(j);
  const Position p = board_.start(j) + d;
  if (placed.shape != Shape::jump || d > placed.prefixes + 4u) return kind_of_byte(p);
  if (d < placed.prefixes) return Kind::prefix;
  const bool valid = board_.top_valid(board_.bytes().value(p));
  if (d == placed.prefixes) return valid ? Kind::prefix : Kind::wrong;
  return valid ? Kind::free_byte : Kind::wrong;
}

Kind ShapePlan::kind_of_byte(Position p) const {
  const auto& bytes = board_.bytes();
  if (bytes.kind(p) == ByteKind::outside) return Kind::wrong;
  if (bytes.free_padding(p)) return Kind::free_byte;
  return board_.top_valid(bytes.value(p)) ? Kind::fixed : Kind::wrong;
}

Kinds ShapePlan::kinds_of(InsnIndex i, Planned shape, Kinds next) const {
  const Shapes& shapes = shapes_of(i);
  const unsigned behind = static_cast<unsigned>(shapes.with_gap(next)) << shapes.shift;
  for (int n = 0; n < shapes.count; ++n)
    if (shapes.list[n].shape == shape) return static_cast<Kinds>(shapes.list[n].own | behind);
  return static_cast<Kinds>(behind);
}

}  // namespace punster
