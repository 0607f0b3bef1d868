#include "backend/place/gatherings.h"

namespace punster {
namespace {

/// The two upper bytes of the displacements that lead there.
struct Gathering {
  std::int8_t top;
  std::uint8_t middle;
};
constexpr Gathering all_gatherings[] = {{-23, 0xe9},  {-13, 0xe9},  {-6, 0x1e},   {-2, 0xe9},
                                        {0, 0xe9},    {0x0f, 0xf3}, {0x1e, 0x0f}, {0x2e, 0xe9},
                                        {0x40, 0xe9}, {0x48, 0xe9}};

}  // namespace

std::vector<TargetRange> gatherings(const TargetRange& code) {
  std::vector<TargetRange> ranges;
  for (const auto& each : all_gatherings) {
    const std::int64_t from = std::int64_t{each.top} * (1 << 24) + (each.middle << 16);
    ranges.push_back({(code.lo + from) & ~std::int64_t{4095},
                      (code.hi + from + 0x10000 + 4095) & ~std::int64_t{4095}});
  }
  return ranges;
}

}  // namespace punster
