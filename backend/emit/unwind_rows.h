// Unwind rows for trampoline bodies: the original's rows, re-timed.

#pragma once

#include "backend/emit/body_list.h"
#include "backend/emit/frame_writer.h"

namespace punster {

struct RowCounts {
  std::uint64_t functions = 0;  ///< with rows for their bodies
  std::uint64_t left_out = 0;   ///< whose rows cannot be carried over
  std::uint64_t scattered = 0;  ///< pieces of BodyList::scattered() that have rows
};

/// Writes one FDE for every entry of `frames` that covers a body, over the contiguous range of its
/// bodies, and then those of scattered_rows(). As .eh_frame also where exceptions from bodies go.
/// `input`: what the frames were read from. O(n), n = entries, their rows, and bodies.
RowCounts unwind_rows(const ElfView& input, const CallFrames& frames, const BodyList& bodies,
                      FrameWriter& out);

}  // namespace punster
