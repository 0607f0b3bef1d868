// Addresses as the solver sees them: below a position-independent image they are negative.

#pragma once

#include "protocol/address.h"

namespace punster {

[[nodiscard]] inline std::int64_t signed_address(Vaddr a) {
  return static_cast<std::int64_t>(a.value);
}
/// The other way round.
[[nodiscard]] inline Vaddr vaddr(std::int64_t address) {
  return Vaddr{static_cast<std::uint64_t>(address)};
}

}  // namespace punster
