// What a hook's instructions tell about how it must be called.

#pragma once

#include <optional>
#include <span>

#include "protocol/address.h"

namespace punster {

struct HookCode {
  std::optional<Vaddr> vector_use;  // the first instruction with vector, x87 or mask state
  bool string_instructions = false;
};

/// Adds what the instructions from the start of `bytes` on tell; stops at what is none.
void look_at(std::span<const std::uint8_t> bytes, Vaddr address, HookCode& found);

}  // namespace punster
