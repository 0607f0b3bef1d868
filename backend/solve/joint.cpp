// Several jumps together.
//
// When a site finds no target, the bytes it borrows are to blame: they were chosen (or left as they
// were) by the instructions behind it. Take those back, up to w of them, and search depth-first
// from the last one down to the site: each level enumerates a few different targets per prefix
// count, and fewer prefixes come first. Sites are placed from high to low addresses, so nobody
// below the site relies on these bytes yet: all locks inside the group come from the group.
// Untouched followers may be taken in, too (evicted: displaced without instrumentation), when the
// caller is willing to pay for it.
//
// Most combinations fail by their shapes alone: whatever the follower's targets, the site's top
// byte would be an E9 that leads nowhere. So for each member the kinds of bytes (shape_plan.h) are
// worked out from which all members below can still become jumps, and shapes outside them are not
// tried. Hopeless sites (one-byte instructions before short fixed ones) cost next to nothing that
// way; they were a third of the time for libx265.
//
// The depth is at most twenty, usually five, and the number of nodes is capped, so the cost per
// site is bounded. Where stubs gather in a few places (AddressSpace::gatherings) a chain of evicted
// neighbours must end in an instruction that needs nobody else's bytes, one of five bytes and more
// or one before padding, or by luck; with five followers perl kept 7,085 traps there, with eight
// 462, with twenty none.

#include <algorithm>
#include <array>

#include "backend/solve/placement.h"

namespace punster {
namespace {

constexpr unsigned max_group = 21;

class Group {
 public:
  Group(const Desk& desk, InsnIndex site, const JointOptions& options)
      : desk_(desk), board_(desk.board), plan_(desk.plan), site_(site), options_(options) {}

  std::optional<unsigned> place() {
    const unsigned most = std::min(options_.followers, max_group - 1);
    good_[0] = plan_.kinds_for_jump(site_, nullptr);
    for (unsigned followers = 1; followers <= most; ++followers) {
      if (!take_in(site_ + followers)) break;
      good_[followers] = plan_.kinds_for_jump(site_ + followers, &good_[followers - 1]);
      if (!good_[followers][plan_.kinds_behind(site_ + followers)]) continue;
      nodes_ = options_.nodes;
      visits_ = 64 * (nodes_ + 1);
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
    if (i >= board_.insn_count() || !board_.adjoins_next(i - 1) || !board_.can_undo(i))
      return false;
    const Placement before = board_.placement(i);
    // Pads are scarce where they are needed at all: they are given up only in need.
    if (before.shape == Shape::short_jump && !options_.evict) return false;
    if (before.shape == Shape::untouched && (!options_.evict || !board_.body_of(i))) return false;
    if (before.shape != Shape::untouched) board_.undo(i);
    members_[member_count_++] = {i, before};
    return true;
  }

  void restore() {
    for (unsigned m = member_count_; m-- > 0;) {
      const auto& [insn, before] = members_[m];
      if (before.shape != Shape::untouched) board_.restore(insn, before);
    }
  }

  bool descend(InsnIndex i) {
    if (visits_ == 0) return false;
    --visits_;
    // A neighbour that nobody asked to patch is left as it is when that works, too.
    if (i != site_ && !board_.is_site(i) && may_be(i, Planned::untouched) && descend(i - 1))
      return done_ = true;
    const auto body = board_.body_of(i);
    if (!body) return false;
    const auto ranking = plan_.rank(i);
    for (const auto insistence : {Insistence::closely, Insistence::loosely, Insistence::barely})
      for (const auto& choice : ranking) {
        if (nodes_ == 0) return false;
        if (!is_jump(choice.shape) || !may_be(i, choice.shape)) continue;
        const unsigned k = prefixes_of(choice.shape);
        if (const auto window = board_.window(i, k);
            window && descend_in(i, *window, k, *body, insistence))
          return true;
      }
    return false;
  }

  /// Whether the members below i can all be jumps when i has this shape.
  [[nodiscard]] bool may_be(InsnIndex i, Planned shape) const {
    return i == site_ || good_[i - site_ - 1][plan_.kinds_from(i, shape)];
  }

  bool descend_in(InsnIndex i, const Window& window, unsigned k, std::int64_t body,
                  Insistence insistence) {
    const auto first_prefixes = Board::first_prefixes(options_.all_prefixes ? k : 0);
    auto accept = [&](std::int64_t target, bool stub) {
      if (stub && !stub_reaches(target, body)) return false;
      for (const std::uint8_t prefix : first_prefixes) {
        if (nodes_ == 0)
          return true;  // ends the enumeration; descend() sees that nothing was placed
        --nodes_;
        board_.commit({i, static_cast<std::uint8_t>(k), stub, target, prefix});
        if (board_.allowed(i) && (i == site_ ? suits_predecessor() : descend(i - 1)))
          return done_ = true;
        board_.undo(i);
      }
      return false;
    };
    // Members below i count as sites here, evicted ones included.
    const Demand demand = plan_.demand(i, k, insistence, site_);
    if (window.contains(body) && demand.accepts(window.rel(body)) && accept(body, false))
      return done_;
    board_.pages().search(window, demand, opening(window),
                          i == site_ && !options_.look_ahead ? 1 : 5,
                          [&](std::int64_t target) { return accept(target, true); });
    return done_;
  }

  bool suits_predecessor() {
    return !options_.look_ahead || predecessor_fits(desk_, site_, options_.opening);
  }

  [[nodiscard]] Opening opening(const Window& window) const {
    return window.free_bytes >= 3 && options_.new_arenas
               ? std::max(options_.opening, Opening::sparing)
               : options_.opening;
  }

  std::optional<unsigned> finish(unsigned followers) {
    unsigned evicted = 0;
    for (InsnIndex i = site_ + 1; i <= site_ + followers; ++i)
      evicted += !board_.is_site(i) && board_.placement(i).shape == Shape::jump;
    board_.add_means(site_, means_joint);
    if (evicted > 0) board_.add_means(site_, means_eviction);
    return evicted;
  }

  const Desk& desk_;
  Board& board_;
  const ShapePlan& plan_;
  InsnIndex site_;
  const JointOptions& options_;
  std::array<Member, max_group> members_;
  /// By distance from the site: the kinds behind a member from which all below can be jumps.
  std::array<ShapePlan::KindsSet, max_group> good_;
  unsigned member_count_ = 0;
  unsigned nodes_ = 0;
  /// Of members, whatever becomes of them. With five followers the nodes bound these, too.
  unsigned visits_ = 0;
  bool done_ = false;
};

}  // namespace

std::optional<unsigned> place_jointly(const Desk& desk, InsnIndex i, const JointOptions& options) {
  return Group(desk, i, options).place();
}

}  // namespace punster
