// A switch whose table is not recognised, a label whose address a program computes: their code has
// no direct predecessor, but it stands inside an unwind range, between instructions that are known.
// Compilers put nothing but code and padding there; assembly may put constants there too. So a
// stretch is believed when it decodes exactly up to the next known instruction (or the end of the
// function, behind an instruction that does not go on), holds nothing odd, none of its direct
// branches leads into the middle of an instruction, and proven code reads none of it.

#include "frontend/image/unwind_fill.h"

#include <algorithm>
#include <vector>

namespace punster {
namespace {

struct Stretch {
  std::size_t lo, hi;
};

// Where the padding that begins at `at` ends: no-operations and int3.
std::size_t skip_padding(const Region& region, std::size_t at, std::size_t hi) {
  while (at < hi) {
    const FlowInfo info = region.decode(at);
    const bool padding = info.kind == FlowKind::nop || info.kind == FlowKind::breakpoint;
    if (!padding || at + info.length > hi)
      break;
    at += info.length;
  }
  return at;
}

// The starts of the runs of code in `stretch`; nothing unless all of it makes sense.
std::vector<std::size_t> runs_of(Claims& claims, Region& region, const Stretch& stretch,
                                 bool ends_function) {
  std::vector<std::size_t> runs, starts;
  std::vector<Vaddr> targets;
  bool flows_on = false;  // into what comes next
  for (std::size_t at = stretch.lo; at < stretch.hi;) {
    if (!flows_on) {
      at = skip_padding(region, at, stretch.hi);
      if (at == stretch.hi)
        break;
      runs.push_back(at);
    }
    const FlowInfo info = region.decode(at);
    if (info.kind == FlowKind::invalid || info.odd || at + info.length > stretch.hi ||
        region.is_disputed(at))
      return {};
    for (std::size_t i = at; i < at + info.length; ++i)
      if (region.is_data(i))
        return {};
    if (info.direct())
      targets.push_back(info.target);
    starts.push_back(at);
    const bool call = info.kind == FlowKind::call || info.kind == FlowKind::indirect_call;
    at += info.length;
    flows_on = !info.ends_flow() && !(call && at == stretch.hi && ends_function);
  }
  if (flows_on && ends_function)
    return {};
  for (const Vaddr target : targets) {
    const Spot spot = claims.find(target);
    if (!spot || spot.region->is_inside(spot.at))
      return {};
    const bool here = spot.region == &region && spot.at >= stretch.lo && spot.at < stretch.hi;
    if (here && !std::binary_search(starts.begin(), starts.end(), spot.at) &&
        skip_padding(region, spot.at, stretch.hi) == spot.at)
      return {};
  }
  return runs;
}

}  // namespace

bool fill_function(Claims& claims, const AddressRange& function, Descent& descent) {
  const Spot begin = claims.find(function.lo);
  if (!begin)
    return false;
  Region& region = *begin.region;
  const std::size_t hi = std::min(begin.at + function.size().value, region.size());
  bool added = false;
  for (std::size_t at = begin.at; at < hi;) {
    if (!region.is_free(at)) {
      ++at;
      continue;
    }
    Stretch stretch{at, at};
    while (stretch.hi < hi && region.is_free(stretch.hi))
      ++stretch.hi;
    for (const std::size_t run : runs_of(claims, region, stretch, stretch.hi == hi)) {
      descent.add(region.address(run), Evidence::unwind);
      added = true;
    }
    at = stretch.hi;
  }
  return added;
}

}  // namespace punster
