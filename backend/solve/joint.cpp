// Several jumps together.
//
// When a site finds no target, the bytes it borrows are to blame: they were chosen (or left as they
// were) by the instructions behind it. Take those back, up to w of them, and search depth-first from the
// last one down to the site: each level enumerates a few different targets per prefix count, and
// fewer prefixes come first. Sites are placed from high to low addresses, so nobody below the site
// relies on these bytes yet: all locks inside the group come from the group. Untouched followers may be
// taken in, too (evicted: displaced without instrumentation), when the caller is willing to pay for it.
//
// The depth is at most five and the number of nodes is capped, so the cost per site is bounded.

#include <algorithm>
#include <array>

#include "backend/solve/placement.h"

namespace punster {
namespace {

constexpr unsigned max_group = 6;

class Group {
 public:
  Group(Board& board, InsnIndex site, const JointOptions& options)
      : board_(board), site_(site), options_(options) {}

  std::optional<unsigned> place() {
    const unsigned most = std::min(options_.followers, max_group - 1);
    for (unsigned followers = 1; followers <= most; ++followers) {
      if (!take_in(site_ + followers)) break;
      nodes_ = options_.nodes;
      if (descend(site_ + followers)) return finish(followers);
    }
    restore();
    return std::nullopt;
  }

 private:
  struct Member {
    InsnIndex insn;
    Placement before;
  };

  /// Makes instruction `i` (right behind the last member) part of the group, untouched.
  bool take_in(InsnIndex i) {
    if (i >= board_.insn_count() || !board_.adjoins_next(i - 1) || !board_.can_undo(i)) return false;
    const Placement before = board_.placement(i);
    if (before.shape == Shape::untouched && (!options_.evict || !board_.body_of(i))) return false;
    if (before.shape != Shape::untouched) board_.undo(i);
    members_[member_count_++] = {i, before};
    return true;
  }

  void restore() {
    for (unsigned m = member_count_; m-- > 0;) {
      const auto& [insn, before] = members_[m];
      if (before.shape == Shape::untouched) continue;
      board_.commit({insn, before.prefixes, before.stub, before.target, before.first_prefix});
      board_.add_means(insn, before.means);
    }
  }

  bool descend(InsnIndex i) {
    // A neighbour that nobody asked to patch is left as it is when that works, too.
    if (i != site_ && !board_.is_site(i) && descend(i - 1)) return done_ = true;
    const auto body = board_.body_of(i);
    if (!body) return false;
    const unsigned most = std::min(board_.length(i) - 1, 3u);
    for (const bool any_top : {false, true})
      for (unsigned k = 0; k <= most; ++k)
        if (const auto window = board_.window(i, k))
          if (descend_in(i, *window, k, *body, any_top)) return true;
    return false;
  }

  bool descend_in(InsnIndex i, const Window& window, unsigned k, std::int64_t body, bool any_top) {
    auto accept = [&](std::int64_t target, bool stub) {
      if (stub && !stub_reaches(target, body)) return false;
      if (nodes_ == 0) return true;  // ends the enumeration; descend() sees that nothing was placed
      --nodes_;
      board_.commit({i, static_cast<std::uint8_t>(k), stub, target});
      if (board_.allowed(i) && (i == site_ || descend(i - 1))) return done_ = true;
      board_.undo(i);
      return false;
    };
    Demand demand = demand_of_group(i, k, any_top);
    if (window.lo() <= body && body < window.hi() &&
        demand.accepts(static_cast<std::int32_t>(body - window.end)) && accept(body, false))
      return done_;
    auto stub_at = [&](std::int64_t target) { return accept(target, true); };
    const int limit = i == site_ ? 1 : 5;
    if (window.free_bytes < 4) {
      board_.pages().search(window, demand, opening(window), limit, stub_at);
      return done_;
    }
    for (const int top : {0x00, 0xff, 0x01, 0xfe}) {
      if (done_ || !board_.top_valid(static_cast<std::uint8_t>(top))) continue;
      const Window part{window.end, static_cast<std::int32_t>(static_cast<std::uint32_t>(top) << 24),
                        3};
      board_.pages().search(part, demand, opening(part), limit, stub_at);
    }
    return done_;
  }

  [[nodiscard]] Opening opening(const Window& window) const {
    return window.free_bytes >= 3 ? Opening::anywhere : options_.opening;
  }

  /// Members below i count as sites here, evicted ones included.
  [[nodiscard]] Demand demand_of_group(InsnIndex i, unsigned k, bool any_top) const {
    return {board_.demanded_bytes(i, k, site_),
            any_top ? &board_.valid_tops() : &board_.near_tops()};
  }

  std::optional<unsigned> finish(unsigned followers) {
    unsigned evicted = 0;
    for (InsnIndex i = site_ + 1; i <= site_ + followers; ++i)
      evicted += !board_.is_site(i) && board_.placement(i).shape == Shape::jump;
    board_.add_means(site_, means_joint);
    if (evicted > 0) board_.add_means(site_, means_eviction);
    return evicted;
  }

  Board& board_;
  InsnIndex site_;
  const JointOptions& options_;
  std::array<Member, max_group> members_;
  unsigned member_count_ = 0;
  unsigned nodes_ = 0;
  bool done_ = false;
};

}  // namespace

std::optional<unsigned> place_jointly(Board& board, InsnIndex i, const JointOptions& options) {
  return Group(board, i, options).place();
}

}  // namespace punster
