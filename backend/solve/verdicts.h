// Why a site got its tactic, and why each of the others was not it: what `explain` shows.

#pragma once

#include "backend/solve/board.h"

namespace punster {

/// What the jumps of an instruction could reach at some moment, in words, by number of prefixes.
class Windows {
 public:
  Windows(const Board& board, InsnIndex i);
  /// "2 free bytes from 0x1f000", or why there is none.
  [[nodiscard]] const std::string& with_prefixes(unsigned k) const { return texts_[k]; }
  [[nodiscard]] unsigned count() const { return static_cast<unsigned>(texts_.size()); }

 private:
  std::vector<std::string> texts_;
};

/// One note per tactic, cheapest first, after i was decided as `chosen`. `before`: its windows when
/// its turn came.
[[nodiscard]] std::vector<TraceNote> tactic_verdicts(const Board& board, InsnIndex i,
                                                     const Windows& before, Tactic chosen,
                                                     const SolverOptions& options);

}  // namespace punster
