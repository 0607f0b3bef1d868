// Why bytes are in doubt, in words and as a probability.

#pragma once

#include "frontend/image/claims.h"
#include "frontend/image/code_map.h"
#include "frontend/image/likelihood.h"

namespace punster {

/// Judges the stretch of doubtful bytes `range` of `region`, which no trial accepted. O(size).
[[nodiscard]] Doubt judge(const Region& region, const ClassRange& range,
                          const Likelihood& likelihood);

/// Adds to the instructions of `map` what a linear sweep finds in its doubtful stretches: for those
/// who take the risk. What does not decode is left out; classes and sizes stay as they are.
void accept_doubt(const Image& image, CodeMap& map);

}  // namespace punster
