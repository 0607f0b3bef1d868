#include "frontend/image/slack.h"

#include <algorithm>

namespace punster {
namespace {

bool all_zero(const Image& image, AddressRange range) {
  const auto bytes = image.bytes_at(range.lo, range.size());
  return bytes.size() == range.size().value &&
         std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

void add_gaps(const Image& image, AddressRange code, std::vector<AddressRange>& out) {
  std::optional<Vaddr> end;  // of the sections so far
  for (const Section& section : image.sections()) {
    if (!section.range.overlaps(code)) continue;
    if (end && *end < section.range.lo && all_zero(image, {*end, section.range.lo}))
      out.push_back({*end, section.range.lo});
    end = end ? std::max(*end, section.range.hi) : section.range.hi;
  }
}

}  // namespace

std::vector<AddressRange> slack(const Image& image) {
  std::vector<AddressRange> out;
  for (const Segment& segment : image.segments()) {
    if (!segment.executable || segment.file_size.value == 0) continue;
    const Vaddr end = segment.range.lo + segment.file_size;
    add_gaps(image, {segment.range.lo, end}, out);
    const bool shared = std::any_of(
        image.segments().begin(), image.segments().end(), [&](const Segment& other) {
          return other.range.lo > segment.range.lo && page_floor(other.range.lo) < page_ceil(end);
        });
    if (end < page_ceil(end) && !shared) out.push_back({end, page_ceil(end)});
  }
  return out;
}

}  // namespace punster
