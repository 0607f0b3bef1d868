// Restartable sequences (rseq): code that the kernel starts again, from its abort handler, when it
// interrupted a thread inside.

#pragma once

#include <vector>

#include "frontend/image/image.h"

namespace punster {

/// The sequences that the section __rseq_cs lists, and the signatures before their abort handlers.
/// The kernel compares the program counter with their bounds, so an instruction of theirs that ran
/// in a trampoline would not be one of theirs. Unsorted; a damaged table is an empty one.
[[nodiscard]] std::vector<AddressRange> restartable_ranges(const Image& image);

}  // namespace punster
