// Sets of addresses, as ranges.

#pragma once

#include <algorithm>
#include <vector>

#include "protocol/address.h"

namespace punster {

/// The same addresses in ranges that ascend and neither overlap nor touch. O(n log n).
[[nodiscard]] inline std::vector<AddressRange> joined(std::vector<AddressRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<AddressRange> out;
  for (const auto& range : ranges) {
    if (!out.empty() && range.lo <= out.back().hi)
      out.back().hi = std::max(out.back().hi, range.hi);
    else
      out.push_back(range);
  }
  return out;
}

}  // namespace punster
