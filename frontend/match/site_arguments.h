// The arguments of a call at one site: what each comes to there.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "frontend/match/call_action.h"

namespace punster {

struct SiteArgument {
  enum class What : std::uint8_t {
    constant,        // number
    address,         // number, of the image: a run-time address
    label,           // text: a label of the body
    data,            // text: bytes behind the body, whose address is passed
    reg,             // reg, by value
    reg_pointer,     // to reg, saved
    memory,          // operand, by value
    memory_pointer,  // its address
    state,
    flags,
    flags_pointer,
    rflags,
    rflags_pointer,
    next,       // of a conditional branch: whichever it will be
    stack_top,  // what a return returns to
  } what = What::constant;
  HookType type;
  std::int64_t number = 0;
  std::string text;
  Register reg;
  Operand operand;
  std::optional<Vaddr> fixed_place;  // of the operand, when no register takes part
};

/// Of arguments that are undefined here: nullptr.
[[nodiscard]] std::vector<SiteArgument> arguments_at(const CallAction& call, const CallSite& site);

/// The best of the functions for these arguments: as C++ would choose. A C function takes anything.
/// Errors: "bad_action", of one line.
Result<const HookFunction*> best_function(const CallAction& call,
                                          const std::vector<SiteArgument>& arguments);

/// How a conditional branch goes on, for What::next.
struct BranchCondition {
  enum class Kind : std::uint8_t { none, flags, counter_zero, loop } kind = Kind::none;
  unsigned code = 0;  // of flags: as in jcc; of loop: 2 if always, else the jcc that must hold, too
  bool short_counter = false;  // ecx
};
[[nodiscard]] BranchCondition branch_condition(std::span<const std::uint8_t> instruction);

}  // namespace punster
