// One jump: which prefixes, which target.
//
// The obvious way takes the first free address of the first window that has one. That throws away
// what makes the *next* site easy: sites are placed from high to low addresses, so the low bytes of
// the target chosen here become the high bytes of the jump before. Here every candidate is looked
// at with the eyes of that predecessor. Bytes that will be its top byte are *demanded* to lie near
// the image (00, 01, FE, FF; so all targets gather in few arenas), and a candidate after which the
// predecessor, whose whole rel32 may then be determined, has no free target is refused.
//
// A jump to the body itself is preferred: it costs nothing at run time. Otherwise a stub of five
// bytes stands at the constrained address.

#include "backend/solve/placement.h"

#include <algorithm>

namespace punster {
namespace {

class OneJump {
 public:
  OneJump(const Desk& desk, InsnIndex i, const Search& search)
      : desk_(desk),
        board_(desk.board),
        plan_(desk.plan),
        i_(i),
        search_(search),
        body_(board_.body_of(i)) {}

  bool place_with(unsigned k) {
    if (!body_) return false;
    const auto window = board_.window(i_, k);
    return window && place_in(*window, k);
  }

 private:
  bool place_in(const Window& window, unsigned k) {
    const Demand demand =
        search_.demanding ? plan_.demand(i_, k, search_.insistence) : any_target();
    if (window.contains(*body_) && demand.accepts(window.rel(*body_)) &&
        try_commit({i_, static_cast<std::uint8_t>(k), false, *body_}))
      return true;
    return board_.pages().search(
        window, demand, opening_for(window), search_.limit, [&](std::int64_t target) {
          return try_commit({i_, static_cast<std::uint8_t>(k), true, target});
        });
  }

  /// Windows of 16 MiB are where many sites meet: an arena there is worth its mapping.
  [[nodiscard]] Opening opening_for(const Window& window) const {
    return search_.opening == Opening::adjoining && window.free_bytes >= 3 ? Opening::sparing
                                                                           : search_.opening;
  }

  [[nodiscard]] Demand any_target() const {
    return {{nullptr, nullptr, nullptr, &board_.tops(i_, Insistence::barely)}, true};
  }

  bool try_commit(const Edit& edit) {
    if (edit.stub && !stub_reaches(edit.target, *body_)) return false;
    board_.commit(edit);
    if (board_.allowed(i_) &&
        (!search_.look_ahead ||
         predecessor_fits(desk_, i_, std::max(search_.opening, Opening::adjoining))))
      return true;
    board_.undo(i_);
    return false;
  }

  const Desk& desk_;
  Board& board_;
  const ShapePlan& plan_;
  InsnIndex i_;
  const Search& search_;
  std::optional<std::int64_t> body_;
};

}  // namespace

// Depth counts the chain of one-byte instructions that i's bytes determine all at once.
bool predecessor_fits(const Desk& desk, InsnIndex i, Opening opening, int depth) {
  Board& board = desk.board;
  if (i == 0 || depth == 0 || !board.adjoins_next(i - 1)) return true;
  const InsnIndex p = i - 1;
  if (!board.is_site(p) || board.placement(p).shape != Shape::untouched) return true;
  if (!desk.plan.expects_jump(p)) return true;
  for (unsigned k = 0; k < board.length(p); ++k) {
    const auto window = board.window(p, k);
    if (!window) continue;
    if (window->free_bytes >= 2) return true;
    if (window->free_bytes == 1) {
      if (board.pages().any_in(window->lo(), window->hi(), opening)) return true;
      continue;
    }
    if (!board.pages().can_take(window->lo(), opening)) continue;
    board.commit({p, static_cast<std::uint8_t>(k), true, window->lo()});
    const bool fits = predecessor_fits(desk, p, opening, depth - 1);
    board.undo(p);
    if (fits) return true;
  }
  return false;
}

bool place_one(const Desk& desk, InsnIndex i, unsigned prefixes, const Search& search) {
  return OneJump(desk, i, search).place_with(prefixes);
}

}  // namespace punster
