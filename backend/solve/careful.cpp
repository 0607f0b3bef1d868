// One jump whose bytes are also the targets of the sites before it.
//
// A site of one byte has no byte of its own to choose: E9 in front of its followers' bytes is a
// jump to one certain address. Three of them in front of a jump G with the displacement g0 g1 g2 g3
// lead to
//
//      E9 | E9 E9 g0 g1     E9 | E9 g0 g1 g2     E9 | g0 g1 g2 g3
//
// and each of these three addresses must be free, and G's own target as well. Trying targets of G
// one after the other and asking each time whether all the others happen to be free (placement.cpp)
// finds nothing in reasonable time when G has many targets and the fault lies in a byte that they
// share. Here the bytes are chosen one at a time, the lowest first, and each site before is checked
// as soon as the byte that completes its displacement is known. So a wrong g1 is left at once,
// together with its 65,536 continuations.

#include <algorithm>

#include "backend/solve/placement.h"

namespace punster {
namespace {

class CarefulJump {
 public:
  CarefulJump(const Desk& desk, InsnIndex i, unsigned prefixes, Opening opening, unsigned checks)
      : desk_(desk),
        board_(desk.board),
        plan_(desk.plan),
        i_(i),
        k_(prefixes),
        opening_(opening),
        checks_(checks) {}

  bool place() {
    const auto body = board_.body_of(i_);
    const auto window = board_.window(i_, k_);
    if (!body || !window) return false;
    body_ = *body;
    end_ = window->end;
    own_ = window->free_bytes;
    if (own_ == 0) return false;
    borrowers_ = plan_.borrowers(i_, k_);
    return choose(0, own_ == 4 ? 0 : static_cast<std::uint32_t>(window->high));
  }

 private:
  bool choose(int j, std::uint32_t rel) {
    if (j == own_) return finish(rel);
    auto with = [&](std::uint8_t value) {
      const std::uint32_t next = rel | static_cast<std::uint32_t>(value) << (8 * j);
      return fits(j, next) && choose(j + 1, next);
    };
    const bool top = j == 3 || std::any_of(borrowers_.begin(), borrowers_.end(),
                                           [j](const Borrower& b) { return b.source[3] == j; });
    const bool middle = std::any_of(borrowers_.begin(), borrowers_.end(),
                                    [j](const Borrower& b) { return b.source[2] == j; });
    if (top) return any_of(board_.tops(i_, Insistence::barely), with);
    if (middle) return any_of(*board_.middles(Insistence::loosely), with);
    for (unsigned value = 0; value < 256 && checks_ > 0; ++value)
      if (with(static_cast<std::uint8_t>(value * 37 + 16))) return true;  // all of them, spread out
    return false;
  }

  template <typename F>
  bool any_of(const ByteChoice& choice, F&& f) {
    for (const std::uint8_t value : choice)
      if (checks_ > 0 && f(value)) return true;
    return false;
  }

  /// Whether the sites that byte j completes have room, given bytes 0 to j of `rel`.
  bool fits(int j, std::uint32_t rel) {
    for (const auto& site : borrowers_) {
      if (site.source[3] != j) continue;
      if (checks_ == 0) return false;
      --checks_;
      std::uint32_t high = 0;
      for (int b = site.free_bytes; b < 4; ++b) {
        const int from = site.source[b];
        const std::uint32_t byte =
            from < 4 ? rel >> (8 * from) & 0xff : static_cast<std::uint32_t>(from - 4);
        high |= byte << (8 * b);
      }
      const Window window{site.end, static_cast<std::int32_t>(high), site.free_bytes};
      if (site.free_bytes == 0 ? !board_.pages().can_take(window.lo(), opening_)
                               : !board_.pages().any_in(window.lo(), window.hi(), opening_))
        return false;
    }
    return true;
  }

  bool finish(std::uint32_t rel) {
    if (checks_ == 0) return false;
    --checks_;
    const std::int64_t target = end_ + static_cast<std::int32_t>(rel);
    const bool stub = target != body_;
    if (stub && (!board_.pages().can_take(target, opening_) || !stub_reaches(target, body_)))
      return false;
    board_.commit({i_, static_cast<std::uint8_t>(k_), stub, target});
    if (board_.allowed(i_) && predecessor_fits(desk_, i_, opening_)) return true;
    board_.undo(i_);
    return false;
  }

  const Desk& desk_;
  Board& board_;
  const ShapePlan& plan_;
  InsnIndex i_;
  unsigned k_;
  Opening opening_;
  unsigned checks_;
  std::int64_t body_ = 0, end_ = 0;
  int own_ = 0;
  Borrowers borrowers_;
};

}  // namespace

bool place_carefully(const Desk& desk, InsnIndex i, unsigned prefixes, Opening opening,
                     unsigned checks) {
  return CarefulJump(desk, i, prefixes, opening, checks).place();
}

}  // namespace punster
