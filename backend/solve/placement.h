// Choosing the target of one jump, and of several jumps together.

#pragma once

#include "backend/solve/shape_plan.h"

namespace punster {

/// How choosy a search for one instruction is.
struct Search {
  Opening opening = Opening::none;
  bool look_ahead = true;  ///< refuse targets that leave the site before without a jump
  Insistence insistence = Insistence::closely;  ///< on bytes that predecessors will borrow
  int limit = 24;                               ///< refusals per window
  bool demanding = true;                        ///< false: predecessors borrow what they get
};

/// The board and the plan that the placement follows.
struct Desk {
  Board& board;
  ShapePlan& plan;
};

/// Finds a jump with `prefixes` for the untouched instruction i and commits it. Returns false, with
/// the board as it was, when this search finds none.
bool place_one(const Desk& desk, InsnIndex i, unsigned prefixes, const Search& search);

/// As place_one, byte by byte, with the sites before i checked as soon as their targets are known
/// (careful.cpp). At most `checks` addresses are looked at.
bool place_carefully(const Desk& desk, InsnIndex i, unsigned prefixes, Opening opening,
                     unsigned checks);

/// Whether every site right before i that now has at most one byte of choice still has a target on
/// pages that `opening` allows.
bool predecessor_fits(const Desk& desk, InsnIndex i, Opening opening, int depth = 4);

struct JointOptions {
  unsigned followers = 4;  ///< how many instructions behind i may be placed anew with it
  bool evict = false;      ///< untouched followers may be displaced, too
  Opening opening = Opening::adjoining;
  bool new_arenas = true;  ///< windows of 16 MiB may open an arena
  bool look_ahead = true;  ///< refuse what leaves the site before without a jump
  bool all_prefixes =
      false;             ///< also others than Board::prefix_byte, to vary what sites before borrow
  unsigned nodes = 160;  ///< jumps that may be tried per number of followers
};

/// Finds jumps for i and for the instructions right behind it, together: followers that are placed
/// already are taken back first. Returns how many followers were evicted, or nothing (and the board
/// as it was) when no combination was found within the node budget.
std::optional<unsigned> place_jointly(const Desk& desk, InsnIndex i, const JointOptions& options);

struct PadOptions {
  bool evict = false;  ///< an untouched neighbour may be displaced for the tail it leaves
  Opening most = Opening::anywhere;  ///< how far the search for the pad's target may go
  bool all_placed =
      false;  ///< every other site is placed: a pad below the site may borrow bytes as well
};

/// T3: a short jump to a landing pad. False when there is none in reach.
bool place_on_pad(Board& board, InsnIndex i, const PadOptions& options);

}  // namespace punster
