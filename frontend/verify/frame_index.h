// The index of unwind rows (PT_GNU_EH_FRAME), where a rewritten file has a longer one elsewhere.

#pragma once

#include "frontend/verify/failure_log.h"
#include "frontend/verify/patched_image.h"

namespace punster {

/// Whether this program header of the patched file shows such an index: it stands in an added,
/// read-only segment.
[[nodiscard]] bool is_moved_frame_index(const PatchedImage& original, const PatchedImage& patched,
                                        const Elf64_Phdr& segment);

/// A moved index ascends and has every entry of the original's; what it has besides is about new
/// memory alone, and says so itself.
void check_frame_index(const PatchedImage& original, const PatchedImage& patched, FailureLog& log);

}  // namespace punster
