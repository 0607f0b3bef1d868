// What proven code does with an address that it computes.

#pragma once

#include "frontend/image/claims.h"

namespace punster {

enum class AddressUse : std::uint8_t {
  unknown,   // stored, passed on, or lost sight of: may be a function pointer
  accessed,  // memory is read or written through it: data
  entered,   // called or jumped to: code
};

/// Follows the register that `lea address(%rip),%reg` at `lea` loads, over the next few claimed
/// instructions.
[[nodiscard]] AddressUse use_of_address(const Region& region, std::size_t lea);

}  // namespace punster
