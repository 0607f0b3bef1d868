#include "backend/solve/verdicts.h"

#include <cstdio>

namespace punster {
namespace {

std::string signed_hex(std::int64_t a) {
  char text[32];
  std::snprintf(text, sizeof text, a < 0 ? "-0x%llx" : "0x%llx",
                static_cast<unsigned long long>(a < 0 ? -a : a));
  return text;
}

std::string describe(const std::optional<Window>& window) {
  if (!window) return "the borrowed top byte leads out of the address space";
  return std::to_string(window->free_bytes) + " free bytes, targets from " +
         signed_hex(window->lo());
}

std::string why_not(const Board& board, InsnIndex i, const Windows& before, Tactic tactic) {
  const unsigned length = board.length(i);
  switch (tactic) {
    case Tactic::B1:
      return length < 5 ? "an instruction of " + std::to_string(length) +
                              " bytes has no room for a jump of five"
                        : "a site before it needs other bytes here";
    case Tactic::B2:
      return length >= 5 ? "not needed: a plain jump has room"
                         : before.with_prefixes(0) + ": no stub address there suits";
    case Tactic::T1: {
      if (length == 1) return "one byte has no room for a prefix";
      std::string text;
      for (unsigned k = 1; k < before.count(); ++k)
        text += (k > 1 ? "; " : "") + std::to_string(k) + " prefixes: " + before.with_prefixes(k);
      return text;
    }
    case Tactic::C1:
      return "no call whose body wants to be called";
    case Tactic::T2:
      return "no evictable follower gave it a target";
    case Tactic::T3:
      return "no landing pad in reach of a short jump";
    default:
      return "a jump fits";
  }
}

}  // namespace

Windows::Windows(const Board& board, InsnIndex i) {
  for (unsigned k = 0; k < board.length(i); ++k) texts_.push_back(describe(board.window(i, k)));
}

std::vector<TraceNote> tactic_verdicts(const Board& board, InsnIndex i, const Windows& before,
                                       Tactic chosen, const SolverOptions& options) {
  std::vector<TraceNote> notes;
  bool decided = false;
  for (const Tactic tactic :
       {Tactic::C1, Tactic::B1, Tactic::B2, Tactic::T1, Tactic::T2, Tactic::T3, Tactic::B0}) {
    std::string outcome;
    if (tactic == chosen)
      outcome = tactic == Tactic::B0 && options.trap.name != "ud2"
                    ? "chosen, with " + std::string(options.trap.name)
                    : "chosen";
    else if (!options.allows(tactic) || (tactic == Tactic::B0 && !options.traps))
      outcome = "turned off";
    else if (decided)
      outcome = "not tried: a cheaper one fits";
    else
      outcome = why_not(board, i, before, tactic);
    decided |= tactic == chosen;
    notes.push_back({i, to_string(tactic), std::move(outcome)});
  }
  return notes;
}

}  // namespace punster
