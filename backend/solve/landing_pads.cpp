// T3: a short jump to five bytes nearby that can host a rel32 jump.
//
// One- and two-byte instructions have little or no choice of their own; a short jump has 256 places to
// go. A landing pad begins in bytes that nothing executes any more: the tail of a patched instruction that
// is longer than its jump, or padding. The pad's jump may itself borrow the bytes behind it, like any
// pun. The rel8 is the site's second byte or, for one-byte instructions, the first byte of the follower.

#include <algorithm>

#include "backend/solve/placement.h"

namespace punster {
namespace {

class PadSearch {
 public:
  PadSearch(Board& board, InsnIndex i, bool all_placed)
      : board_(board), i_(i), all_placed_(all_placed) {}

  bool place() {
    const auto body = board_.body_of(i_);
    if (!body) return false;
    body_ = *body;
    const Position s = board_.start(i_);
    const auto& bytes = board_.bytes();
    if (board_.length(i_) == 1 && !bytes.free_padding(s + 1))
      return try_pad(s + 2 + static_cast<std::int8_t>(bytes.value(s + 1))) || choose_with_follower();
    for (const auto opening : {Opening::none, Opening::adjoining, Opening::anywhere}) {
      opening_ = opening;
      for (int rel8 = 0; rel8 <= 127; ++rel8)
        if (try_pad(s + 2 + rel8)) return true;
      for (int rel8 = -3; rel8 >= -128; --rel8)
        if (s + 2 >= static_cast<Position>(-rel8) && try_pad(s + 2 + rel8)) return true;
    }
    return evict_for_pad();
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
    // Below the site are sites that were not placed yet: nobody may rely on their bytes.
    if (!all_placed_ && pad < s && own_end < pad + 5) return false;
    const std::uint8_t means =
        bytes.kind(pad) == ByteKind::padding ? means_pad_in_padding : means_pad_in_tail;
    if (window->lo() <= body_ && body_ < window->hi()) {
      board_.commit_short_jump(i_, pad, body_, false, means);
      return true;
    }
    auto accept = [&](std::int64_t target) {
      if (!stub_reaches(target, body_)) return false;
      board_.commit_short_jump(i_, pad, target, true, means);
      return true;
    };
    Window part = *window;
    if (part.free_bytes == 4) part = {part.end, 0, 3};
    return board_.pages().search(part, {}, opening_, 8, accept);
  }

  /// The rel8 of a one-byte site is its follower's first byte: give the follower's jump the prefix that
  /// leads to a pad. Nothing else of the follower may be relied upon yet.
  bool choose_with_follower() {
    const InsnIndex f = i_ + 1;
    const Position s = board_.start(i_);
    if (f >= board_.insn_count() || board_.start(f) != s + 1 || board_.length(f) < 2 ||
        board_.placement(f).shape != Shape::jump || !board_.can_undo(f))
      return false;
    const Placement before = board_.placement(f);
    board_.undo(f);
    for (const std::uint8_t prefix : pad_prefixes) {
      const Position pad = s + 2 + prefix;
      if (pad + 5 >= board_.bytes().size() || dead_until(pad) == pad) continue;
      if (place_follower(f, prefix)) {
        if (try_pad(pad)) {
          board_.add_means(i_, means_joint);
          return true;
        }
        board_.undo(f);
      }
    }
    board_.commit({f, before.prefixes, before.stub, before.target, before.first_prefix});
    board_.add_means(f, before.means);
    return false;
  }

  /// A jump at f that begins with `prefix`.
  bool place_follower(InsnIndex f, std::uint8_t prefix) {
    const auto body = board_.body_of(f);
    const bool rex = prefix >= 0x40 && prefix <= 0x4f;
    const unsigned most = rex ? 1 : std::min(board_.length(f) - 1, 3u);
    for (unsigned k = 1; k <= most; ++k) {
      auto window = board_.window(f, k);
      if (!window) continue;
      const auto commit = [&](std::int64_t target, bool stub) {
        if (stub && !stub_reaches(target, *body)) return false;
        board_.commit({f, static_cast<std::uint8_t>(k), stub, target, prefix});
        if (board_.allowed(f)) return true;
        board_.undo(f);
        return false;
      };
      if (window->lo() <= *body && *body < window->hi()) return commit(*body, false);
      if (window->free_bytes == 4) *window = {window->end, 0, 3};
      if (board_.pages().search(*window, {}, Opening::adjoining, 4,
                                [&](std::int64_t target) { return commit(target, true); }))
        return true;
    }
    return false;
  }
  // Redundant in front of E9 on every processor.
  static constexpr std::uint8_t pad_prefixes[] = {0x2e, 0x3e, 0x26, 0x36, 0x64, 0x65, 0x40, 0x41,
                                                  0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
                                                  0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f};

  /// A neighbour of six bytes and more that nobody asked to patch: displaced, it leaves a tail.
  bool evict_for_pad() {
    const auto s = static_cast<std::int64_t>(board_.start(i_));
    for (InsnIndex v = i_ + 1; v < board_.insn_count() && board_.start(v) + 5 <= s + 129; ++v)
      if (evict(v)) return true;
    for (InsnIndex v = i_; all_placed_ && v-- > 0 && board_.start(v) + 5 >= s - 126;)
      if (evict(v)) return true;
    return false;
  }

  bool evict(InsnIndex v) {
    if (board_.is_site(v) || board_.length(v) < 6 || board_.placement(v).shape != Shape::untouched ||
        !board_.can_undo(v))
      return false;
    const auto body = board_.body_of(v);
    if (!body) return false;
    board_.commit({v, 0, false, *body});
    opening_ = Opening::anywhere;
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

  Board& board_;
  InsnIndex i_;
  bool all_placed_;
  std::int64_t body_ = 0;
  Opening opening_ = Opening::anywhere;
};

}  // namespace

bool place_on_pad(Board& board, InsnIndex i, bool all_placed) {
  return PadSearch(board, i, all_placed).place();
}

}  // namespace punster
