// The trampolines as unwinders and symbol tables need to know them. Whoever laid them out
// implements this; emit only reads it.

#pragma once

#include <cstddef>

#include "protocol/address.h"

namespace punster {

/// The body of one site, or another piece of code that runs for it.
struct BodyPlace {
  Vaddr original;           ///< link-time address of the displaced instruction
  std::uint8_t length = 0;  ///< of that instruction
  Vaddr body;               ///< link-time address of its trampoline body
  std::uint32_t size = 0;   ///< of the body, > 0
  /// From this offset in the body on, the displaced instruction has taken effect: what stands there
  /// leads back. `size` where nothing of the kind is left. At most `size`.
  std::uint32_t done = 0;
  /// The instruction is a call, and `done` is where its return address has been pushed; a jump to
  /// the callee follows.
  bool calls = false;
};

class BodyList {
 public:
  virtual ~BodyList() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// Ascending both by original address and by body address; bodies are disjoint. Precondition: k <
  /// size(). O(1), and safe from several threads.
  [[nodiscard]] virtual BodyPlace at(std::size_t k) const = 0;

  /// What stands outside of that row and is to be described, in any order: stubs (which lead to what is done: `done` is
  /// `size`), copies of bodies in the place of stubs, evicted instructions.
  [[nodiscard]] virtual std::size_t scattered() const = 0;
  /// Ascending by BodyPlace::body, disjoint. As at().
  [[nodiscard]] virtual BodyPlace scattered_at(std::size_t k) const = 0;
};

/// The first body from `k` on whose site is at or behind `address`; size() when there is none.
/// O(log n).
[[nodiscard]] std::size_t body_at_or_behind(const BodyList& bodies, std::size_t k, Vaddr address);

}  // namespace punster
