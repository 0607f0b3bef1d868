// A displaced call: whatever sequence stands in the trampoline, it must leave the machine exactly
// as the call would have, with the *original* return address on the stack.

#pragma once

#include "frontend/verify/code_reader.h"

namespace punster {

/// The call that is displaced.
struct OriginalCall {
  Code code;  ///< its bytes
  Vaddr address;
  Vaddr return_address;
  bool movable = true;  ///< the image is position-independent: addresses are not known constants
  /// The hardware pushed the return address already: the site is a call that was retargeted (C1).
  bool pushed = false;
};

enum class CallFault : std::uint8_t {
  none,
  not_a_call_sequence,  ///< something else stands there
  wrong_return_address,
  wrong_state,   ///< a register is not restored, or memory beside the pushed slot was written
  wrong_target,  ///< an indirect call that goes elsewhere
};

struct CallMatch {
  CallFault fault = CallFault::not_a_call_sequence;
  /// For a direct call: where the final jump leads; to be proven equivalent to the call's target.
  std::optional<Vaddr> jump_target;
  std::optional<std::uint64_t> pushed_value;  ///< link-time, when it is an address at all
};

/// Runs the code at `at` symbolically up to the jump that ends it.
[[nodiscard]] CallMatch match_call(const OriginalCall& call, CodeReader& memory, Vaddr at);

}  // namespace punster
