// The trials say yes or no; a person who reads a report wants to know what for. So each doubtful
// stretch is read once more from its first byte to its last, and either something in it is what
// code never holds, or the balance of bits (likelihood.h) falls short of what bytes need that
// nothing refers to. That threshold is the prior odds of the trial; the confidence is what the
// balance makes of them.

#include "frontend/image/doubt.h"

#include <algorithm>
#include <cmath>

#include "frontend/image/trial.h"

namespace punster {

Doubt judge(const Region& region, const ClassRange& range, const Likelihood& likelihood) {
  Doubt doubt{range.range, DoubtReason::unsupported, range.range.lo, 0, 0};
  const std::size_t lo = region.position(range.range.lo);
  const std::size_t hi = lo + range.range.size().value;
  for (std::size_t at = lo; at < hi; ++at) {
    if (!region.is_disputed(at)) continue;
    doubt.reason = DoubtReason::disputed;
    doubt.at = region.address(at);
    return doubt;
  }
  for (std::size_t at = lo; at < hi;) {
    const FlowInfo info = region.decode(at);
    doubt.at = region.address(at);
    if (info.kind == FlowKind::invalid || at + info.length > hi) {
      doubt.reason =
          info.kind == FlowKind::invalid ? DoubtReason::undecodable : DoubtReason::cut_off;
      return doubt;
    }
    if (info.odd) {
      doubt.reason = DoubtReason::odd;
      return doubt;
    }
    if (info.kind != FlowKind::nop) doubt.bits += likelihood.bits(info, region.bytes_from(at));
    at += info.length;
  }
  doubt.at = range.range.lo;
  doubt.confidence = 1 / (1 + std::exp2(std::clamp(gap_threshold - doubt.bits, -60.0, 60.0)));
  return doubt;
}

void accept_doubt(const Image& image, CodeMap& map) {
  for (const ClassRange& range : map.ranges) {
    if (range.kind != ByteClass::doubt) continue;
    for (Vaddr at = range.range.lo; at < range.range.hi;) {
      const FlowInfo info = decode_flow(image.bytes_at(at, range.range.hi - at), at);
      if (info.kind == FlowKind::invalid) {
        at = at + Bytes{1};
        continue;
      }
      map.instructions.emplace_back(at, info.length);
      at = at + Bytes{info.length};
    }
  }
  std::ranges::sort(map.instructions);
}

}  // namespace punster
