// The payload: code of unknown purpose that runs before the displaced instruction.

#pragma once

#include <functional>
#include <string>

#include "frontend/verify/code_reader.h"

namespace punster {

struct PayloadEnd {
  bool found = false;
  Vaddr displaced;     ///< the first place that `is_displaced` accepted, when found
  std::string reason;  ///< else why the search ended
};

struct PayloadLimits {
  std::optional<Vaddr> next_body;  ///< the next body begins here; all must end before it
  /// A return address was pushed before it (C1), and is not to be written.
  bool return_address = false;
};

/// Follows every path from `start`, forward only, until all of them meet at an address that
/// `is_displaced` accepts, with rsp where it was. Refuses backward branches, returns, indirect
/// jumps, rsp above where it was, and changes of rsp that it cannot follow.
[[nodiscard]] PayloadEnd end_of_payload(CodeReader& memory, Vaddr start,
                                        const PayloadLimits& limits,
                                        const std::function<bool(Vaddr)>& is_displaced);

/// Whether the straight-line code at `at` is an exit_group with this status and nothing else.
[[nodiscard]] bool ends_program(CodeReader& memory, Vaddr at, std::int64_t status);

}  // namespace punster
