// T3: a short jump to five bytes nearby that can host a rel32 jump.
//
// One- and two-byte instructions have little or no choice of their own; a short jump has 256 places
// to go. A landing pad begins in bytes that nothing executes any more: the tail of a patched
// instruction that is longer than its jump, or padding. The pad's jump may itself borrow the bytes
// behind it, like any pun. The rel8 is the site's second byte or, for one-byte instructions, the
// first byte of the follower.

#include <algorithm>

#include "backend/solve/placement.h"

namespace punster {
namespace {

class PadSearch {
 public:
  /// `spare`: two bytes that somebody is about to write: no pad may rely on them.
  PadSearch(Board& board, InsnIndex i, const PadOptions& options,
            std::optional<Position> spare = {})
      : board_(board), i_(i), options_(options), spare_(spare), opening_(options.most) {}

  bool place() {
    const auto body = board_.body_of(i_);
    if (!body) return false;
    body_ = *body;
    const Position s = board_.start(i_);
    const auto& bytes = board_.bytes();
    if (board_.length(i_) == 1 && !bytes.free_padding(s + 1))
      return try_pad(s + 2 + static_cast<std::int8_t>(bytes.value(s + 1))) ||
             choose_with_follower();
    return place_plainly() || (options_.evict && evict_for_pad());
  }

  /// An instruction that chooses its rel8 itself, and a pad that is there.
  bool place_plainly() {
    const auto body = board_.body_of(i_);
    if (!body) return false;
    body_ = *body;
    const Position s = board_.start(i_);
    for (const auto opening : {Opening::none, Opening::adjoining, Opening::anywhere}) {
      if (opening > options_.most) break;
      opening_ = opening;
      for (int rel8 = 0; rel8 <= 127; ++rel8)
        if (try_pad(s + 2 + rel8)) return true;
      for (int rel8 = -3; rel8 >= -128; --rel8)
        if (s + 2 >= static_cast<Position>(-rel8) && try_pad(s + 2 + rel8)) return true;
    }
    return false;
  }

 private:
  bool try_pad(Position pad) {
    const auto& bytes = board_.bytes();
    if (pad + 5 >= bytes.size()) return false;
    const Position own_end = dead_until(pad);
    if (own_end == pad) return false;
    const auto window = board_.pad_window(pad, own_end);
    if (!window) return false;
    // The site's own bytes are written first and must not be among the pad's.
    const Position s = board_.start(i_);
    if (pad < s + 2 && s < pad + 5) return false;
    if (spare_ && pad < *spare_ + 2 && *spare_ < pad + 5) return false;
    // Below the site are sites that were not placed yet: nobody may rely on their bytes.
    if (!options_.all_placed && pad < s && own_end < pad + 5) return false;
    const std::uint8_t means =
        bytes.kind(pad) == ByteKind::padding ? means_pad_in_padding : means_pad_in_tail;
    if (window->contains(body_)) {
      board_.commit_short_jump(i_, pad, body_, false, means);
      return true;
    }
    auto accept = [&](std::int64_t target) {
      if (!stub_reaches(target, body_)) return false;
      board_.commit_short_jump(i_, pad, target, true, means);
      return true;
    };
    return board_.pages().search(*window, any_target(), opening_, 8, accept);
  }

  /// The rel8 of a one-byte site is its follower's first byte: give the follower's jump the prefix
  /// that leads to a pad. Nothing else of the follower may be relied upon yet.
  bool choose_with_follower() {
    const InsnIndex f = i_ + 1;
    const Position s = board_.start(i_);
    if (f >= board_.insn_count() || board_.start(f) != s + 1 || board_.length(f) < 2 ||
        board_.placement(f).shape != Shape::jump || !board_.can_undo(f))
      return false;
    const Placement before = board_.placement(f);
    board_.undo(f);
    for (const bool make_room : {false, true})
      for (const std::uint8_t prefix : Board::prefix_bytes) {
        const Position pad = s + 2 + prefix;
        if (pad + 5 >= board_.bytes().size() || (dead_until(pad) != pad) == make_room) continue;
        if (!place_follower(f, prefix)) continue;
        if (make_room ? try_made_room(pad) : try_pad(pad)) {
          board_.add_means(i_, means_joint);
          return true;
        }
        board_.undo(f);
      }
    board_.restore(f, before);
    return false;
  }

  /// Makes the bytes at `pad` dead: the patched instruction that they belong to jumps short as
  /// well, to a landing pad of its own, and so needs its first two bytes only.
  bool try_made_room(Position pad) {
    const InsnIndex x = board_.insn_at(pad);
    if (x == no_insn || x <= i_ + 1 || pad < board_.start(x) + 2 || !board_.is_site(x) ||
        board_.is_call(x) || board_.placement(x).shape != Shape::jump || !board_.can_undo(x))
      return false;
    const Placement before = board_.placement(x);
    board_.undo(x);
    PadOptions options = options_;
    options.evict = false;
    if (PadSearch(board_, x, options, board_.start(i_)).place_plainly()) {
      if (try_pad(pad)) return true;
      board_.undo_short_jump(x);
    }
    board_.restore(x, before);
    return false;
  }

  /// A jump at f that begins with `prefix`.
  bool place_follower(InsnIndex f, std::uint8_t prefix) {
    const auto body = board_.body_of(f);
    const bool rex = prefix >= 0x40 && prefix <= 0x4f;
    const unsigned most = rex ? 1 : std::min(board_.length(f) - 1, 3u);
    for (unsigned k = 1; k <= most; ++k) {
      if (board_.is_call(f) && k != board_.call_prefixes(f)) continue;
      const auto window = board_.window(f, k);
      if (!window) continue;
      const auto commit = [&](std::int64_t target, bool stub) {
        if (stub && !stub_reaches(target, *body)) return false;
        board_.commit({f, static_cast<std::uint8_t>(k), stub, target, prefix});
        if (board_.allowed(f)) return true;
        board_.undo(f);
        return false;
      };
      if (window->contains(*body)) return commit(*body, false);
      if (board_.pages().search(*window, any_target(), Opening::adjoining, 4,
                                [&](std::int64_t target) { return commit(target, true); }))
        return true;
    }
    return false;
  }
  /// A neighbour of six bytes and more that nobody asked to patch: displaced, it leaves a tail.
  bool evict_for_pad() {
    const auto s = static_cast<std::int64_t>(board_.start(i_));
    for (InsnIndex v = i_ + 1; v < board_.insn_count() && board_.start(v) + 5 <= s + 129; ++v)
      if (evict(v)) return true;
    for (InsnIndex v = i_; options_.all_placed && v-- > 0 && board_.start(v) + 5 >= s - 126;)
      if (evict(v)) return true;
    return false;
  }

  bool evict(InsnIndex v) {
    if (board_.is_site(v) || board_.length(v) < 6 ||
        board_.placement(v).shape != Shape::untouched || !board_.can_undo(v))
      return false;
    const auto body = board_.body_of(v);
    if (!body) return false;
    board_.commit({v, 0, false, *body});
    opening_ = options_.most;
    for (Position pad = board_.start(v) + 5; pad < board_.start(v) + board_.length(v); ++pad) {
      const auto rel8 = static_cast<std::int64_t>(pad) - board_.start(i_) - 2;
      if (rel8 < -128 || rel8 > 127 || !try_pad(pad)) continue;
      board_.add_means(i_, means_eviction);
      board_.set_evicted_for(v, i_);
      return true;
    }
    board_.undo(v);
    return false;
  }

  /// The end of the dead bytes that begin at p; p itself when it is not dead.
  [[nodiscard]] Position dead_until(Position p) const {
    const auto& bytes = board_.bytes();
    Position end = p;
    while (end < p + 5 && end < bytes.size() &&
           (bytes.free_padding(end) || board_.in_dead_tail(end)))
      ++end;
    return end;
  }

  [[nodiscard]] Demand any_target() const {
    return {{nullptr, nullptr, nullptr, &board_.tops(i_, Insistence::closely)}};
  }

  Board& board_;
  InsnIndex i_;
  PadOptions options_;
  std::optional<Position> spare_;
  std::int64_t body_ = 0;
  Opening opening_;
};

}  // namespace

bool place_on_pad(Board& board, InsnIndex i, const PadOptions& options) {
  return PadSearch(board, i, options).place();
}

}  // namespace punster
