// What recursive descent leaves out inside a function whose extent is known.

#pragma once

#include <vector>

#include "frontend/image/descent.h"

namespace punster {

/// A stretch that decodes from one end to the other without a contradiction, padding aside.
struct Fill {
  Region* region;
  std::size_t lo, hi;             ///< in the region
  std::vector<std::size_t> runs;  ///< where its runs of code begin; never empty
  std::vector<Vaddr>
      refers_to;  ///< the addresses of memory that its instructions access or compute
};

/// Appends the fills of `function` to `fills`.
void find_fills(Claims& claims, const AddressRange& function, std::vector<Fill>& fills);

/// Adds to `descent` as certain the runs of all fills that nothing refers to, neither another fill
/// nor `taken`. Returns whether it added any. O(n log n).
bool add_fills(const std::vector<Fill>& fills, const std::vector<TakenAddress>& taken,
               Descent& descent);

}  // namespace punster
