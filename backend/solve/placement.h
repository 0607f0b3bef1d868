// Choosing the target of one jump, and of several jumps together.

#pragma once

#include "backend/solve/board.h"

namespace punster {

/// How choosy a search for one instruction is.
struct Search {
  Opening opening = Opening::none;
  bool look_ahead = true;      ///< refuse targets that leave the site before without a jump
  bool any_top = false;        ///< accept far values for bytes that become a predecessor's top byte
  unsigned max_prefixes = 14;
  int limit = 24;              ///< refusals per window
};

/// Finds a jump for the untouched instruction i and commits it. Returns false, with the board as it
/// was, when this search finds none.
bool place_one(Board& board, InsnIndex i, const Search& search);

struct JointOptions {
  unsigned followers = 4;  ///< how many instructions behind i may be placed anew with it
  bool evict = false;      ///< untouched followers may be displaced, too
  Opening opening = Opening::adjoining;
  unsigned nodes = 160;    ///< jumps that may be tried per number of followers
};

/// Finds jumps for i and for the instructions right behind it, together: followers that are placed
/// already are taken back first. Returns how many followers were evicted, or nothing (and the board as
/// it was) when no combination was found within the node budget.
std::optional<unsigned> place_jointly(Board& board, InsnIndex i, const JointOptions& options);

/// T3: a short jump to a landing pad. False when there is none in reach. `all_placed`: every other site
/// is placed already, so a pad below the site may borrow bytes as well.
bool place_on_pad(Board& board, InsnIndex i, bool all_placed = false);

}  // namespace punster
