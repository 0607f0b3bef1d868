// An instruction start, as frontend and backend exchange it by the hundred thousand.

#pragma once

#include "protocol/address.h"

namespace punster {

/// One instruction: link-time address and length in bytes (1 to 15), in eight bytes.
struct Insn {
  std::uint64_t packed = 0;
  Insn() = default;
  /// `address` must be canonical below 2^59; images are linked far below that.
  Insn(Vaddr address, unsigned length) : packed(address.value << 4 | length) {
    assert(length >= 1 && length <= 15 && address.value >> 60 == 0);
  }
  [[nodiscard]] Vaddr address() const { return Vaddr{packed >> 4}; }
  [[nodiscard]] unsigned length() const { return static_cast<unsigned>(packed & 15); }
  [[nodiscard]] Vaddr end() const { return address() + Bytes{length()}; }
  friend auto operator<=>(const Insn&, const Insn&) = default;
};

}  // namespace punster
