// The state of a solution in the making, and the only two things that change it: commit and undo.
//
// Legend: an instruction i begins at s and has l bytes. A *jump* with k prefixes stands as
//
//      s          s+k  s+k+1 ............ s+k+4
//      [prefix]*k  E9   r0   r1   r2   r3
//
// r0..r3 is a little-endian rel32. Bytes before s+l are the instruction's own, those behind it are
// borrowed from followers, so they are the *high* ones. A tactic computes a complete Edit against
// the const board; commit() applies it, undo() takes it back byte by byte. Failure leaves no trace.

#pragma once

#include <optional>

#include "backend/solve/byte_state.h"
#include "backend/solve/target_pages.h"

namespace punster {

using InsnIndex = std::uint32_t;
inline constexpr InsnIndex no_insn = UINT32_MAX;

enum class Shape : std::uint8_t { untouched, jump, short_jump, trap, replaced };

/// What was decided for one instruction.
struct Placement {
  Shape shape = Shape::untouched;
  std::uint8_t prefixes = 0;      ///< jump: k
  std::uint8_t first_prefix = 0;  ///< jump with prefixes: the byte that the instruction begins with
  std::uint8_t means = 0;
  bool stub = false;        ///< `target` is a stub of ours (taken from the target pages)
  std::int8_t rel8 = 0;     ///< short_jump: to its pad
  std::int64_t target = 0;  ///< jump: where it leads; short_jump: where the pad's jump leads
};
static_assert(sizeof(Placement) == 16);

/// A jump for one instruction, complete.
struct Edit {
  InsnIndex insn = no_insn;
  std::uint8_t prefixes = 0;
  bool stub = false;
  std::int64_t target = 0;
  /// The first prefix. Others than prefix_byte are asked for by a site before, whose short jump
  /// takes them for its rel8. 40 to 4f only right before E9.
  std::uint8_t first_prefix = 0x2e;
};

class Board {
 public:
  Board(const SolverInput& input, const SolverOptions& options);

  // The instruction by index.
  [[nodiscard]] std::size_t insn_count() const { return start_.size(); }
  [[nodiscard]] Position start(InsnIndex i) const { return start_[i]; }
  [[nodiscard]] unsigned length(InsnIndex i) const { return input_.instructions[i].length(); }
  /// Whether instruction i + 1 is the next thing behind i that a jump at i could borrow from:
  /// nothing but a few bytes of padding stands between them.
  [[nodiscard]] bool adjoins_next(InsnIndex i) const { return adjoins_next_[i]; }
  [[nodiscard]] const Placement& placement(InsnIndex i) const { return placed_[i]; }
  [[nodiscard]] bool is_site(InsnIndex i) const { return site_of_[i] != no_insn; }
  [[nodiscard]] InsnIndex site_of(InsnIndex i) const { return site_of_[i]; }
  /// Whether i is a site that becomes a call (C1), and so has `length - 5` prefixes and nothing
  /// else.
  [[nodiscard]] bool is_call(InsnIndex i) const {
    return is_site(i) && input_.sites[site_of_[i]].retarget_call;
  }
  [[nodiscard]] bool is_trap_only(InsnIndex i) const {
    return is_site(i) && input_.sites[site_of_[i]].trap_only;
  }
  /// What replaces i in place (I0); null: nothing does.
  [[nodiscard]] const std::string* replacement(InsnIndex i) const {
    return is_site(i) ? input_.sites[site_of_[i]].replace() : nullptr;
  }
  /// The prefixes of a call, which put its E8 where it ends with the original.
  [[nodiscard]] unsigned call_prefixes(InsnIndex i) const { return length(i) - 5; }
  /// The opcode of a jump, or call, in i's place.
  [[nodiscard]] std::uint8_t opcode(InsnIndex i) const { return is_call(i) ? 0xe8 : 0xe9; }
  /// Where the displaced instruction's body stands: the site's, or that of an evicted one.
  [[nodiscard]] std::optional<std::int64_t> body_of(InsnIndex i) const;

  /// Whether it is worth planning with this value for r3, given where targets may stand, and
  /// gather.
  [[nodiscard]] bool top_valid(std::uint8_t top) const { return top_valid_[top]; }
  /// The values for a byte that is somebody's top byte, or middle byte (null: any), best first.
  [[nodiscard]] const ByteChoice& tops(InsnIndex i, Insistence insistence) const {
    if (insistence == Insistence::barely) return valid_tops_;
    return near_tops_[gathers() ? gathering_tops : near_tops_at(i)];
  }
  [[nodiscard]] const ByteChoice* middles(Insistence insistence) const {
    return insistence == Insistence::barely ? nullptr : &middles_[static_cast<int>(insistence)];
  }

  /// What a jump with `prefixes` at instruction i reaches now, or nothing when its bytes are taken
  /// or its fixed top byte leads nowhere. With four free bytes the window is the whole rel32 range.
  [[nodiscard]] std::optional<Window> window(InsnIndex i, unsigned prefixes) const;
  /// Whether p is part of an instruction that is patched and not needed by its jump nor by anybody.
  [[nodiscard]] bool in_dead_tail(Position p) const;

  /// Precondition: i is untouched, window(i, prefixes) contains target, and a stub's bytes are
  /// free.
  void commit(const Edit& edit);
  /// A short jump over to a jump that stands in the pad at `pad`; `rel8` is written or already
  /// there.
  void commit_short_jump(InsnIndex i, Position pad, std::int64_t target, bool stub,
                         std::uint8_t means);
  /// Takes a short jump and its pad back. Precondition: nobody else relies on either.
  void undo_short_jump(InsnIndex i);
  /// The instruction that p is part of, or no_insn.
  [[nodiscard]] InsnIndex insn_at(Position p) const;
  void commit_trap(InsnIndex i, const TrapCode& trap);
  /// Lets nobody use what is left of i's bytes, where that trap stands.
  void lock_tail(InsnIndex i, const TrapCode& trap);
  /// Takes a trap back unless somebody borrowed its bytes; returns whether it did.
  bool undo_trap(InsnIndex i, const TrapCode& trap);
  void commit_replacement(InsnIndex i, const std::string& bytes);
  /// Precondition: nobody else relies on i's bytes (all locks on them are i's own).
  void undo(InsnIndex i);
  /// Puts back what undo(i) took, which was `before`. Precondition: everything else is as it was
  /// then.
  void restore(InsnIndex i, const Placement& before);
  /// Whether the address space says where stubs gather.
  [[nodiscard]] bool gathers() const { return !input_.space.gatherings.empty(); }
  /// Whether all locks on i's own bytes are its own.
  [[nodiscard]] bool can_undo(InsnIndex i) const;
  /// Notes for whom v was evicted, when that is not the site right before it.
  void set_evicted_for(InsnIndex v, InsnIndex site) { evicted_for_[v] = site; }
  [[nodiscard]] std::optional<InsnIndex> evicted_for(InsnIndex v) const {
    const auto it = evicted_for_.find(v);
    return it == evicted_for_.end() ? std::nullopt : std::optional(it->second);
  }
  /// What the placement of i amounts to.
  [[nodiscard]] Tactic tactic_of(InsnIndex i) const;
  /// Whether the options allow i's placement: a site's tactic, and prefixes for anybody.
  [[nodiscard]] bool allowed(InsnIndex i) const {
    return (placed_[i].prefixes == 0 || options_.allows(Tactic::T1) || is_call(i)) &&
           (!is_site(i) || options_.allows(tactic_of(i)));
  }
  void add_means(InsnIndex i, std::uint8_t means) { placed_[i].means |= means; }

  [[nodiscard]] const ByteState& bytes() const { return bytes_; }
  [[nodiscard]] TargetPages& pages() { return pages_; }
  [[nodiscard]] const TargetPages& pages() const { return pages_; }
  [[nodiscard]] const SolverInput& input() const { return input_; }
  [[nodiscard]] const SolverOptions& options() const { return options_; }

  /// The jump of a landing pad that begins at `pad`: which bytes it may choose (free ones up to the
  /// first that somebody relies on), like window(). Nothing when E9 cannot be written there.
  [[nodiscard]] std::optional<Window> pad_window(Position pad, Position own_end) const;

  static constexpr std::uint8_t prefix_byte = 0x2e;
  /// Redundant in front of E9 on every processor. The first six stand anywhere before it, the
  /// others right before.
  static constexpr std::array<std::uint8_t, 22> prefix_bytes{
      prefix_byte, 0x3e, 0x26, 0x36, 0x64, 0x65, 0x40, 0x41, 0x42, 0x43, 0x44,
      0x45,        0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f};
  /// Those that a jump with `prefixes` may begin with.
  [[nodiscard]] static std::span<const std::uint8_t> first_prefixes(unsigned prefixes) {
    return std::span(prefix_bytes).first(prefixes == 0 ? 1 : prefixes == 1 ? 22 : 6);
  }

 private:
  [[nodiscard]] unsigned trap_size(InsnIndex i, const TrapCode& trap) const;
  [[nodiscard]] std::optional<Window> window_from(Position rel, Position own_end) const;
  void choose_bytes();
  /// The near top bytes, as bits, that lead from i's neighbourhood into free space when the middle
  /// is E9.
  [[nodiscard]] unsigned near_tops_at(InsnIndex i) const;
  static constexpr std::array<std::uint8_t, 4> near_top_bytes{0x00, 0xfe, 0x01, 0xff};
  static constexpr int near_top_count = near_top_bytes.size();
  static constexpr unsigned gathering_tops = 3;  // the first two, where middles are E9

  /// Where the pad of a short jump begins.
  [[nodiscard]] Position pad_of(InsnIndex i, const Placement& placed) const {
    return start_[i] + 2 + static_cast<Position>(int{placed.rel8});
  }
  void write_jump(Position at, std::int64_t target, std::uint8_t opcode = 0xe9);
  void unlock_jump(Position from, Position opcode);

  const SolverInput& input_;
  const SolverOptions& options_;
  ByteState bytes_;
  TargetPages pages_;
  std::vector<Position> start_;
  std::vector<bool> adjoins_next_;
  std::vector<InsnIndex> site_of_;
  std::vector<Placement> placed_;
  std::unordered_map<InsnIndex, InsnIndex> evicted_for_;
  std::array<bool, 256> top_legal_{}, top_valid_{};
  ByteChoice valid_tops_;
  std::array<ByteChoice, 1 << near_top_count> near_tops_;  // by which of them are in use
  std::array<ByteChoice, 2> middles_;
};

}  // namespace punster
