// The jumps that lead from a patched instruction to its trampoline's body: a pun or short jump,
// perhaps a landing pad, perhaps a stub.

#pragma once

#include <vector>

#include "frontend/verify/patched_image.h"

namespace punster {

/// One direct jump on the way.
struct JumpHop {
  Vaddr address;          ///< of its first byte, prefixes included
  unsigned prefixes = 0;  ///< redundant ones: 26 2E 36 3E 40-4F 64 65
  unsigned length = 0;    ///< prefixes included
  bool call = false;      ///< E8: a retargeted call; only the first hop can be one
  bool is_short = false;  ///< EB
  Vaddr target;
};

/// The hop that `bytes`, standing at `address`, are, or nothing. The bytes must hold all of it.
[[nodiscard]] std::optional<JumpHop> parse_hop(Vaddr address, std::span<const std::uint8_t> bytes);
/// The hop at `address` in memory after start, or nothing when no such jump stands there.
[[nodiscard]] std::optional<JumpHop> hop_at(const PatchedImage& image, Vaddr address);

/// The hops from `address` on: at most four, empty when `address` holds no jump. A jump that stands
/// in a trampoline mapping counts as a stub only when it leads into a trampoline mapping too. The
/// target of the last hop is then the body, or, where the displaced instruction is itself a jump to
/// a trampolined target, what that body jumps to: bytes alone cannot tell the two apart, the proof
/// tries both.
[[nodiscard]] std::vector<JumpHop> hops_from(const PatchedImage& image, Vaddr address);

}  // namespace punster
