// Unwind rows for trampoline bodies: the original's rows, re-timed.

#pragma once

#include "backend/emit/body_list.h"
#include "backend/emit/call_frames.h"

namespace punster {

struct FrameSection {
  std::vector<std::uint8_t> section;  ///< contents of .debug_frame
  std::uint64_t functions = 0;        ///< FDEs in it
  std::uint64_t left_out = 0;         ///< functions whose rows cannot be carried over
  std::uint64_t scattered = 0;        ///< pieces of BodyList::scattered() that have rows
};

/// `before`, and then one FDE for every entry of `frames` that covers a body, over the contiguous
/// range of its bodies, and then those of scattered_rows(). `before`: the .debug_frame
/// that there is, or nothing. Addresses in the section are link-time ones. O(n), n = entries, their
/// rows, and bodies.
[[nodiscard]] FrameSection unwind_rows(const CallFrames& frames, const BodyList& bodies,
                                       std::span<const std::uint8_t> before = {});

}  // namespace punster
