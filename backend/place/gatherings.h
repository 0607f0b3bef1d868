// Where stubs gather, when they may gather in a few places only.
//
// A site of two bytes and an evicted follower make up the displacement  x | E9 f1 f2: f1 and f2 are
// the follower's to choose, so all such sites can lead to the 64 KiB behind E90000 from wherever
// they stand: over all of the code, one range as long as the code. Other neighbours determine the
// byte on top, and each such byte is another range:
//
//      E9   a short follower's jump: x | E9 r0 E9
//      2E   its prefix
//      40   a REX prefix of an instruction that is not evicted (40 to 4F lie near each other only
//           when the code is long; 40 and 48 are the most frequent)
//      FE   as 00, below the image: for those whose target above is taken
//
// An endbr64 stays where it is, and 4 to 1 bytes of it are borrowed by who ends before it:
// F3 0F 1E FA. C++ landing pads stand behind short jumps everywhere: of 34,068 jumps in libstdc++
// 349 kept a trap without the last four ranges, 1 with them.

#pragma once

#include <vector>

#include "backend/solve/solve.h"

namespace punster {

/// Ascending; some may meet when `code` is longer than 16 MiB. Not all need be free, or in reach.
[[nodiscard]] std::vector<TargetRange> gatherings(const TargetRange& code);

}  // namespace punster
