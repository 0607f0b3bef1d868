// Bytes of executable memory that belong to nobody: what a rewriter may overwrite although no analysis
// ever looked at them.

#pragma once

#include "frontend/image/image.h"

namespace punster {

/// Zero bytes between two sections of an executable segment, and what follows an executable segment on
/// its last page in memory when no other segment has that page. Ascending, disjoint.
[[nodiscard]] std::vector<AddressRange> slack(const Image& image);

}  // namespace punster
