// Bytes that the user wants left alone, whatever they are.

#pragma once

#include "frontend/image/code_map.h"

namespace punster {

/// Makes every instruction that meets one of `ranges` doubt, and all else within them too: no site
/// can be there, and no byte is changed. Sizes follow. `ranges` in any order; they may overlap.
void exclude(CodeMap& map, std::vector<AddressRange> ranges);

}  // namespace punster
