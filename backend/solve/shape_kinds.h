// What the plan of shapes is made of: shapes, the kinds of bytes they leave, and what they cost.

#pragma once

#include <array>
#include <cstdint>

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

/// What a byte is to a site before it that would borrow it as its top byte.
enum class Kind : unsigned {
  wrong,      ///< leads nowhere
  prefix,     ///< leads somewhere, and is there anyway
  free_byte,  ///< can be chosen
  fixed       ///< leads somewhere, by chance
};
/// The kinds of the next four bytes, two bits each, the nearest in the low bits.
using Kinds = std::uint8_t;
[[nodiscard]] inline unsigned kind_bits(Kind kind, unsigned byte) {
  return static_cast<unsigned>(kind) << (2 * byte);
}

inline constexpr std::uint16_t impossible_shape = UINT16_MAX;

/// A shape that an instruction may have, as far as that does not depend on what stands behind it.
struct OneShape {
  Planned shape;
  Kinds own;                          ///< of the instruction's own bytes then
  std::uint8_t watched;               ///< two bits from here on tell the kind that decides the cost
  std::array<std::uint16_t, 4> cost;  ///< by that kind
};

struct Shapes {
  std::array<OneShape, planned_count> list;
  std::uint8_t count = 0;
  std::uint8_t gap_shift = 0, gap = 0;  ///< padding behind the instruction
  std::uint8_t shift = 0;               ///< where the kinds of what is behind begin

  /// The four bytes behind the instruction: padding, then those from the next one on.
  [[nodiscard]] Kinds with_gap(Kinds next) const {
    return static_cast<Kinds>(static_cast<unsigned>(next) << gap_shift | gap);
  }
  /// Calls f(shape, cost, kinds from the instruction on) for each shape that is possible when
  /// `next` are the kinds from the next instruction on.
  template <typename F>
  void visit(Kinds next, F&& f) const {
    const unsigned behind = with_gap(next);
    for (int n = 0; n < count; ++n) {
      const OneShape& one = list[n];
      const unsigned cost = one.cost[behind >> one.watched & 3];
      if (cost != impossible_shape)
        f(one.shape, cost, static_cast<Kinds>(one.own | behind << shift));
    }
  }
};

}  // namespace punster
