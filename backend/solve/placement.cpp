// One jump: which prefixes, which target.
//
// The obvious way takes the first free address of the first window that has one. That throws away
// what makes the *next* site easy: sites are placed from high to low addresses, so the low bytes of the
// target chosen here become the high bytes of the jump before. Here every candidate is looked at
// with the eyes of that predecessor. Bytes that will be its top byte are *demanded* to lie near the image
// (00, 01, FE, FF; so all targets gather in few arenas), and a candidate after which the predecessor, whose
// whole rel32 may then be determined, has no free target is refused.
//
// A jump to the body itself is preferred: it costs nothing at run time. Otherwise a stub of five bytes
// stands at the constrained address.

#include "backend/solve/placement.h"

#include <algorithm>

namespace punster {
namespace {

constexpr int near_top_bytes[] = {0x00, 0xff, 0x01, 0xfe};

bool contains(const Window& w, std::int64_t target) { return w.lo() <= target && target < w.hi(); }

std::int32_t rel_to(const Window& w, std::int64_t target) {
  return static_cast<std::int32_t>(target - w.end);
}

/// Whether some site before i that now has at most one byte of choice still has a target. Depth
/// counts the chain of one-byte instructions that i's bytes determine all at once.
bool predecessor_fits(Board& board, InsnIndex i, int depth) {
  if (i == 0 || depth == 0 || !board.adjoins_next(i - 1)) return true;
  const InsnIndex p = i - 1;
  if (!board.is_site(p) || board.placement(p).shape != Shape::untouched) return true;
  for (unsigned k = 0; k < board.length(p); ++k) {
    const auto window = board.window(p, k);
    if (!window) continue;
    if (window->free_bytes >= 2) return true;
    if (window->free_bytes == 1) {
      if (board.pages().any_in(window->lo(), window->hi(), Opening::adjoining)) return true;
      continue;
    }
    if (!board.pages().can_take(window->lo(), Opening::adjoining)) continue;
    board.commit({p, static_cast<std::uint8_t>(k), true, window->lo()});
    const bool fits = predecessor_fits(board, p, depth - 1);
    board.undo(p);
    if (fits) return true;
  }
  return false;
}

class OneJump {
 public:
  OneJump(Board& board, InsnIndex i, const Search& search)
      : board_(board), i_(i), search_(search), body_(board.body_of(i)) {}

  bool place() {
    if (!body_) return false;
    const unsigned most = std::min(board_.length(i_) - 1, search_.max_prefixes);
    for (unsigned k = 0; k <= most; ++k) {
      const auto window = board_.window(i_, k);
      if (window && place_in(*window, k)) return true;
    }
    return false;
  }

 private:
  bool place_in(const Window& window, unsigned k) {
    Demand demand{board_.demanded_bytes(i_, k),
                  search_.any_top ? &board_.valid_tops() : &board_.near_tops()};
    if (contains(window, *body_) && demand.accepts(rel_to(window, *body_)) &&
        try_commit({i_, static_cast<std::uint8_t>(k), false, *body_}))
      return true;
    auto accept = [&](std::int64_t target) {
      return try_commit({i_, static_cast<std::uint8_t>(k), true, target});
    };
    if (window.free_bytes < 4)
      return board_.pages().search(window, demand, opening_for(window), search_.limit, accept);
    for (const int top : near_top_bytes) {
      if (!board_.top_valid(static_cast<std::uint8_t>(top))) continue;
      const Window part{window.end, static_cast<std::int32_t>(static_cast<std::uint32_t>(top) << 24),
                        3};
      if (board_.pages().search(part, demand, opening_for(part), search_.limit, accept)) return true;
    }
    return false;
  }

  /// A window of 16 MiB may always get an arena: there are at most 256 of them per 16 MiB of code.
  [[nodiscard]] Opening opening_for(const Window& window) const {
    return search_.opening == Opening::adjoining && window.free_bytes >= 3 ? Opening::anywhere
                                                                            : search_.opening;
  }

  bool try_commit(const Edit& edit) {
    if (edit.stub && !stub_reaches(edit.target, *body_)) return false;
    board_.commit(edit);
    if (board_.allowed(i_) && (!search_.look_ahead || predecessor_fits(board_, i_, 4))) return true;
    board_.undo(i_);
    return false;
  }

  Board& board_;
  InsnIndex i_;
  const Search& search_;
  std::optional<std::int64_t> body_;
};

}  // namespace

bool place_one(Board& board, InsnIndex i, const Search& search) {
  return OneJump(board, i, search).place();
}

}  // namespace punster
