// A second opinion on a solution: it reads the final bytes as a processor would, from each patched
// instruction's first byte on, and knows nothing of how the solver got there.

#pragma once

#include <string>

#include "scene.h"

namespace punster {

/// The first thing that is wrong with `solution`, or "".
std::string fault_in(const Scene& scene, const Solution& solution);

}  // namespace punster
