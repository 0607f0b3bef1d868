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
  PadSearch(Board& board, InsnIndex i) : board_(board), i_(i) {}

  bool place() {
    const auto body = board_.body_of(i_);
    if (!body) return false;
    body_ = *body;
    const Position s = board_.start(i_);
    const auto& bytes = board_.bytes();
    if (board_.length(i_) == 1 && !bytes.free_padding(s + 1))
      return try_pad(s + 2 + static_cast<std::int8_t>(bytes.value(s + 1)));
    for (const auto opening : {Opening::none, Opening::adjoining, Opening::anywhere}) {
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
    // Below the site are sites that were not placed yet: nobody may rely on their bytes.
    if (pad < s && own_end < pad + 5) return false;
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
  std::int64_t body_ = 0;
  Opening opening_ = Opening::anywhere;
};

}  // namespace

bool place_on_pad(Board& board, InsnIndex i) { return PadSearch(board, i).place(); }

}  // namespace punster
