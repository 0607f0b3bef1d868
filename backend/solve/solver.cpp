// The solver: from high to low addresses, each site gets the cheapest shape that fits.
//
// Problem. A jump at a site of l < 5 bytes borrows 5-l bytes of its followers as the high bytes of
// its rel32 (Chamith et al., "Instruction Punning", PLDI 2017). What those bytes say, and whether a
// trampoline may stand where they lead, decides whether the site can be patched at all.
//
// The obvious way (Duck et al., "Binary Rewriting without Control Flow Recovery", PLDI 2020) goes
// from high to low addresses and takes, for one site after the other, the first of: plain jump,
// pun, pun behind prefixes, successor eviction, neighbour eviction. Each decision is final. It
// leaves 5 to 16 % of the instructions of libraries unpatched when every instruction is a site,
// because a follower that was given an arbitrary target shows its predecessor an arbitrary top
// byte, and it opens a page wherever a pun happens to point: 98,033 mappings for git, which then
// cannot start.
//
// What we do differently:
//   1. Every jump has a body whose address is known beforehand (bodies stand densely, in code
//      order, next to the image). The solver places nothing but 5-byte stubs, and none at all where
//      the body is in reach.
//   2. Shapes are planned for whole chains of neighbours (chain_plan.cpp): a dynamic program over
//      what the next four bytes can be tells which shape of an instruction costs the sites before
//      it least.
//   3. A target is chosen with the eyes of the sites before (demand.h): the bytes that they will
//      borrow as top and as middle byte are drawn from those that gather everybody's stubs in a few
//      arenas; targets that would leave the site before without any are refused.
//   4. The pages of the arenas show a ring of file pages (place/page_ring.h), so a thinly settled
//      page costs nothing.
//   5. When a site finds no cheap target, its bytes are chosen one at a time (careful.cpp), and
//      then up to four followers are taken back and placed anew together with it (joint.cpp). Both
//      look at shapes before they look at addresses, and leave at once what cannot be.
//   6. Untouched followers are displaced rather than arenas opened: their copies stand in the row
//      of bodies anyway (session/bridges.h), and each arena is a mapping. An arena is a turn of the
//      ring, so what lies in one that is open costs nothing, near or far (target_pages.h).
//   7. Landing pads (landing_pads.cpp) where the plan calls for them or nothing else helped, and at
//      last the trap.
//
// Measured, every instruction a site: ls, git and libc (raised) 100 % in 17 to 58 mappings, perl
// all but one of 397,422 in 34, bash all but two of 190,839 in 33, gdb all but 3 of 1,492,761
// in 62. python3.11, with targets above the image only, 99.22 % in 152. Without points 2 and 4 (and
// the middle bytes of 3) the same solver left 8,500 traps instead of 5,500 in python3.11, in 3,575
// mappings and 75 MB instead of 30. All jumps, 100 % everywhere: ls 72 mappings, bash 97, git 193,
// libc 366; when pages close to open ones counted as free, 94, 314, 444 and 481, and with far pages
// instead of point 6 166, 895, 1,972 and 1,222.
//
// Time, in CPU seconds for the whole of `punster patch` (decoding, transfer and writing included):
// git 1.3, gdb 3.4, libx265 (3 million sites) 9.7; of the latter 17.2 before the plan's shapes were
// tabulated, 14.8 before joint placement was pruned by kinds of bytes, 11.3 before careful checks
// were few and starts were looked at 256 at once. On two cores git takes 0.89 s and libx265 4.3 s:
// plans are made, and bodies written, beside the solver (plan_ahead.h).
//
// The order of the steps below is the order of their cost. Deterministic: no step depends on
// anything but the input.

#include <algorithm>
#include <map>

#include "backend/solve/placement.h"
#include "backend/solve/shape_plan.h"
#include "backend/solve/verdicts.h"

namespace punster {
namespace {

class Solver {
 public:
  Solver(const SolverInput& input, const SolverOptions& options)
      : input_(input), options_(options), board_(input, options), plan_(board_, options) {
    traced_ = options.trace;
    std::sort(traced_.begin(), traced_.end());
  }

  Result<Solution> run() {
    for (const auto& site : input_.sites) {
      if (site.replace()) board_.commit_replacement(site.insn, *site.replace());
      if (site.trap_only) commit_lone_trap(site.insn);
    }
    const std::size_t total = input_.sites.size();
    for (std::size_t done = 0; done < total; ++done) {
      if ((done & 4095) == 0) {
        if (options_.cancelled && *options_.cancelled) return error("cancelled", "cancelled");
        if (options_.progress) options_.progress(done, total);
      }
      const auto& site = input_.sites[total - 1 - done];
      if (!site.replace() && !site.trap_only) decide(site.insn, done + 1);
    }
    mend_traps();
    if (options_.progress) options_.progress(total, total);
    return collect();
  }

 private:
  void commit_lone_trap(InsnIndex i) {
    if (!traps_allowed()) return;
    board_.commit_trap(i, options_.trap);
    board_.lock_tail(i, options_.trap);
  }

  void decide(InsnIndex i, std::size_t done) {
    if (!std::binary_search(traced_.begin(), traced_.end(), i)) return choose(i, done);
    const Windows before(board_, i);
    choose(i, done);
    for (auto& verdict : tactic_verdicts(board_, i, before, board_.tactic_of(i), options_))
      trace_.push_back(std::move(verdict));
  }

  void choose(InsnIndex i, std::size_t done) {
    // From here on nothing below i relies on any byte at or above it.
    if (try_unconstrained(i)) return;
    plan_.reach(i);
    if (!options_.joint) return choose_alone(i);
    const auto ranking = plan_.rank(i);
    if (is_hopeless(done)) return choose_quickly(i, ranking);
    if (try_ranked(i, ranking, 0, ShapePlan::tolerable) ||
        try_carefully(i, ranking, Opening::adjoining, few_checks) || try_joint(i, true) ||
        (may_go_far(input_.space.arenas) &&
         try_carefully(i, ranking, Opening::anywhere, many_checks)) ||
        try_ranked(i, ranking, ShapePlan::tolerable, UINT32_MAX) || try_joint(i, false) ||
        try_any_top(i, ranking))
      return;
    const std::uint64_t share =
        options_.far_first
            ? input_.space.arenas
            : input_.space.arenas * done / input_.sites.size() + input_.space.arenas / 64;
    if (may_go_far(share) && try_far(i, ranking)) return;
    if (try_eviction(i)) return;
    if (board_.gathers() &&
        (try_long_chain(i) || (!board_.is_call(i) && try_pad(i, true, Opening::adjoining))))
      return;
    if (may_go_far(input_.space.arenas) && try_far(i, ranking)) return;
    if (try_anything(i)) return;
    if (board_.is_call(i)) return call_anyhow(i);
    give_up_on_jumps(i);
  }

  /// With hardly any arena allowed, sites fail by the thousands, and each would be searched for a
  /// millisecond: bash, four arenas, 200 s.
  [[nodiscard]] bool is_hopeless(std::size_t done) const {
    return given_up_ > 1000 && given_up_ * 50 > done;
  }
  void choose_quickly(InsnIndex i, const ShapePlan::Ranking& ranking) {
    if (try_ranked(i, ranking, 0, UINT32_MAX) || try_any_top(i, ranking)) return;
    if (board_.is_call(i)) return call_anyhow(i);
    give_up_on_jumps(i);
  }

  void give_up_on_jumps(InsnIndex i) {
    ++given_up_;
    if (try_pad(i, true)) return;
    if (traps_allowed()) {
      board_.commit_trap(i, options_.trap);
      note(i, "B0", true);
    }
  }

  /// Without joint: the first shape that has a target, as E9Patch goes about it.
  void choose_alone(InsnIndex i) {
    if (board_.is_call(i)) return call_anyhow(i);
    const auto opening = may_go_far(input_.space.arenas) ? Opening::anywhere : Opening::adjoining;
    for (unsigned k = 0; k < std::min(board_.length(i), 4u); ++k)
      if (try_place(i, k, {.opening = opening, .look_ahead = false, .demanding = false},
                    "any target"))
        return;
    if (board_.adjoins_next(i) && evictable(i + 1) &&
        try_jointly(i, {.followers = 1, .evict = true, .opening = opening, .look_ahead = false},
                    "the successor evicted"))
      return;
    give_up_on_jumps(i);
  }

  [[nodiscard]] bool may_go_far(std::uint64_t arenas) const {
    return board_.pages().arenas_open() < arenas;
  }

  /// Long instructions behind long ones: nobody borrows, nothing has to be planned.
  bool try_unconstrained(InsnIndex i) {
    const bool lent = i > 0 && board_.adjoins_next(i - 1) && board_.length(i - 1) < 5;
    if (board_.length(i) < 5 || lent || !puns_allowed(i)) return false;
    const unsigned prefixes = board_.is_call(i) ? board_.call_prefixes(i) : 0;
    const auto window = board_.window(i, prefixes);
    const auto body = board_.body_of(i);
    if (!window || window->free_bytes < 4 || !body || !window->contains(*body)) return false;
    board_.commit({i, static_cast<std::uint8_t>(prefixes), false, *body});
    return note(i, "a jump to the body, and no site before it borrows", true);
  }

  /// All four bytes of its displacement are its own, so a call fits whatever the sites before it
  /// would like.
  void call_anyhow(InsnIndex i) {
    const auto prefixes = static_cast<std::uint8_t>(board_.call_prefixes(i));
    board_.commit({i, prefixes, false, *board_.body_of(i)});
    note(i, "C1", true);
  }

  /// The shapes that cost more than `above` and at most `upto` more than the best.
  bool try_ranked(InsnIndex i, const ShapePlan::Ranking& ranking, std::uint32_t above,
                  std::uint32_t upto) {
    for (const auto& choice : ranking) {
      const std::uint32_t more = choice.cost - ranking.begin()->cost;
      if (more > upto) break;
      if (above > 0 && more <= above) continue;
      // A pad that is not called for makes the sites below harder: it is kept for later.
      if ((above > 0 || board_.gathers()) && !is_jump(choice.shape)) continue;
      if (is_jump(choice.shape) ? try_cheap(i, prefixes_of(choice.shape)) : try_pad(i, false))
        return true;
    }
    return false;
  }

  /// Pads below a trap are only known once everything is placed.
  void mend_traps() {
    if (!options_.allows(Tactic::T3)) return;
    for (auto site = input_.sites.rbegin(); site != input_.sites.rend(); ++site) {
      if (site->trap_only || board_.placement(site->insn).shape != Shape::trap ||
          !board_.undo_trap(site->insn, options_.trap))
        continue;
      if (!note(site->insn, "T3, with every other site in place",
                place_on_pad(board_, site->insn, {.evict = true, .all_placed = true})))
        board_.commit_trap(site->insn, options_.trap);
    }
  }

  [[nodiscard]] bool traps_allowed() const { return options_.traps && options_.allows(Tactic::B0); }
  [[nodiscard]] bool puns_allowed(InsnIndex i) const {
    if (board_.is_call(i)) return true;
    return board_.length(i) >= 5 ? options_.allows(Tactic::B1)
                                 : options_.allows(Tactic::B2) || options_.allows(Tactic::T1);
  }

  bool try_place(InsnIndex i, unsigned prefixes, const Search& search, const char* what) {
    return puns_allowed(i) && note(i, what, place_one(desk_, i, prefixes, search));
  }
  bool try_cheap(InsnIndex i, unsigned k) {
    return try_place(i, k, {Opening::none}, "a target on open pages that suits the site before") ||
           try_place(i, k, {Opening::adjoining}, "a target on pages that join an arena") ||
           try_place(i, k, {.opening = Opening::adjoining, .insistence = Insistence::loosely},
                     "likewise, suiting the site before less closely") ||
           try_place(i, k, {.opening = Opening::adjoining, .insistence = Insistence::barely},
                     "likewise, with far top bytes for the site before");
  }
  bool try_pad(InsnIndex i, bool evict, Opening most = Opening::anywhere) {
    return options_.allows(Tactic::T3) &&
           note(i, evict ? "T3, neighbours evicted" : "T3",
                place_on_pad(board_, i, {.evict = evict, .most = most}));
  }
  bool try_jointly(InsnIndex i, JointOptions options, const char* what) {
    if (!options_.allows(Tactic::T2)) return false;
    if (options_.lookahead < SolverOptions{}.lookahead)
      options.followers = std::min(options.followers, options_.lookahead);
    return note(i, what, place_jointly(desk_, i, options).has_value());
  }
  bool try_joint(InsnIndex i, bool look_ahead) {
    return try_jointly(i, {.followers = 4, .look_ahead = look_ahead},
                       "followers placed anew together with it");
  }
  bool try_jumps(InsnIndex i, const ShapePlan::Ranking& ranking, const Search& search,
                 const char* what) {
    for (const auto& choice : ranking)
      if (is_jump(choice.shape) && try_place(i, prefixes_of(choice.shape), search, what))
        return true;
    return false;
  }
  /// What place_carefully finds it finds soon: 99 of 100 times within the first number of checks.
  static constexpr unsigned few_checks = 150, many_checks = 2000;
  bool try_carefully(InsnIndex i, const ShapePlan::Ranking& ranking, Opening opening,
                     unsigned checks) {
    for (const auto& choice : ranking)
      if (is_jump(choice.shape) && puns_allowed(i) &&
          note(i, "bytes chosen one by one",
               place_carefully(desk_, i, prefixes_of(choice.shape), opening, checks)))
        return true;
    return false;
  }
  bool try_any_top(InsnIndex i, const ShapePlan::Ranking& ranking) {
    return try_jumps(
        i, ranking,
        {.opening = Opening::adjoining, .look_ahead = false, .insistence = Insistence::barely},
        "a target that does not suit the site before");
  }
  bool try_far(InsnIndex i, const ShapePlan::Ranking& ranking) {
    return try_jumps(
               i, ranking,
               {.opening = Opening::anywhere, .insistence = Insistence::barely, .limit = 1000},
               "a new arena") ||
           try_jumps(i, ranking,
                     {.opening = Opening::anywhere,
                      .look_ahead = false,
                      .insistence = Insistence::barely},
                     "a new arena, though it does not suit the site before");
  }
  bool try_eviction(InsnIndex i) {
    if (!has_evictable_follower(i)) return false;
    JointOptions options{.followers = 5, .evict = true, .new_arenas = false, .look_ahead = false};
    if (try_jointly(i, options, "followers evicted")) return true;
    options.new_arenas = true;
    return try_jointly(i, options, "followers evicted, with new arenas");
  }

  /// Where stubs gather, arenas are dearer than any number of neighbours. Where hundreds of chains
  /// led nowhere, others hardly will.
  bool try_long_chain(InsnIndex i) {
    if (failed_chains_ > 300 || !has_evictable_follower(i)) return false;
    const bool found = try_jointly(
        i, {.followers = 20, .evict = true, .new_arenas = false, .look_ahead = false, .nodes = 400},
        "a long chain of followers evicted");
    failed_chains_ += found ? 0 : 1;
    return found;
  }

  [[nodiscard]] bool has_evictable_follower(InsnIndex i) const {
    for (InsnIndex j = i; j < i + 5 && board_.adjoins_next(j); ++j)
      if (evictable(j + 1)) return true;
    return false;
  }
  [[nodiscard]] bool evictable(InsnIndex i) const {
    return !board_.is_site(i) && board_.placement(i).shape == Shape::untouched;
  }

  /// The last resort before a trap: wherever it leads, whatever it takes. Where traps are rare a
  /// thorough search is affordable.
  bool try_anything(InsnIndex i) {
    if (!input_.space.stubs) return false;  // few targets fit at all, and those were tried
    const unsigned nodes = ++desperate_ <= 40 ? 20000 : 400;
    return try_jointly(i,
                       {.followers = 5,
                        .evict = true,
                        .opening = Opening::anywhere,
                        .look_ahead = false,
                        .all_prefixes = true,
                        .nodes = nodes},
                       "followers placed anew or evicted, with new arenas");
  }

  bool note(InsnIndex i, const char* what, bool worked) {
    if (std::binary_search(traced_.begin(), traced_.end(), i)) {
      std::string outcome = what;
      outcome += worked ? ": found" : ": none";
      trace_.push_back({i, "search", std::move(outcome)});
    }
    return worked;
  }

  Solution collect() {
    Solution solution;
    solution.decisions.reserve(input_.sites.size());
    for (const auto& site : input_.sites) {
      const Placement& placed = board_.placement(site.insn);
      const unsigned used = placed.shape == Shape::jump         ? placed.prefixes + 5u
                            : placed.shape == Shape::short_jump ? 2u
                                                                : 0u;
      const unsigned own = board_.length(site.insn);
      Decision& decision = solution.decisions.emplace_back();
      decision.tactic = board_.tactic_of(site.insn);
      decision.means = placed.means & 31;
      decision.borrowed = (used > own ? used - own : 0) & 7;
      decision.set_target(placed.target);
    }
    std::size_t stubs = 0;
    for (InsnIndex i = 0; i < board_.insn_count(); ++i) stubs += board_.placement(i).stub;
    solution.stubs.reserve(stubs);
    InsnIndex last_site = 0;  // evicted followers stand behind the site that needed them
    for (InsnIndex i = 0; i < board_.insn_count(); ++i) {
      if (board_.is_site(i)) last_site = board_.site_of(i);
      const Placement& placed = board_.placement(i);
      if (placed.shape != Shape::jump && placed.shape != Shape::short_jump) continue;
      const std::int64_t body = *board_.body_of(i);
      if (placed.stub) solution.stubs.push_back({placed.target, body});
      if (!board_.is_site(i)) {
        const auto other = board_.evicted_for(i);
        solution.evictions.push_back({i, other ? board_.site_of(*other) : last_site, body});
      }
    }
    std::sort(solution.stubs.begin(), solution.stubs.end(),
              [](const Stub& a, const Stub& b) { return a.at < b.at; });
    for (std::size_t r = 0; r < input_.code.size(); ++r)
      solution.code.push_back(board_.bytes().region(r));
    solution.trace = std::move(trace_);
    return solution;
  }

  /// #UD in 64-bit mode without fetching further bytes, and below 0x80: as a borrowed top byte it
  /// leads above the image.

  const SolverInput& input_;
  const SolverOptions& options_;
  Board board_;
  ShapePlan plan_;
  Desk desk_{board_, plan_};
  std::vector<std::uint32_t> traced_;
  unsigned desperate_ = 0;    // sites that came so far
  std::size_t given_up_ = 0;  // sites that came to landing pads
  unsigned failed_chains_ = 0;
  std::vector<TraceNote> trace_;
};

constexpr const char* tactic_names[tactic_count] = {"",   "I0", "C1", "B1", "B2",
                                                    "T1", "T2", "T3", "B0"};

}  // namespace

const char* to_string(Tactic tactic) {
  return tactic_names[static_cast<int>(tactic)];
}

std::optional<Tactic> parse_tactic(std::string_view name) {
  for (int t = 1; t < tactic_count; ++t)
    if (name == tactic_names[t]) return static_cast<Tactic>(t);
  return std::nullopt;
}

std::vector<std::string> means_names(std::uint8_t means) {
  static constexpr const char* names[] = {"prefix", "follower chosen jointly", "follower evicted",
                                          "pad in a tail", "pad in padding"};
  std::vector<std::string> list;
  for (int bit = 0; bit < 5; ++bit)
    if (means >> bit & 1) list.emplace_back(names[bit]);
  return list;
}

Result<Solution> solve(const SolverInput& input, const SolverOptions& options) {
  return Solver(input, options).run();
}

}  // namespace punster
