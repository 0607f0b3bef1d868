// A switch whose table is not recognised, a label whose address a program computes: their code has
// no direct predecessor, but it stands inside an unwind range, between instructions that are known.
// Compilers put nothing but code and padding there; assembly may put constants there too. So a
// stretch is believed when it decodes exactly up to the next known instruction (or the end of the
// function, behind an instruction that does not go on), holds nothing odd, none of its direct
// branches leads into the middle of an instruction, and nobody refers to it as to data: neither
// proven code nor another stretch nor itself, since constants often stand beside the only code that
// reads them. Where an address is computed, nobody knows what for: such a stretch is left to the
// trials.

#include "frontend/image/unwind_fill.h"

#include <algorithm>

namespace punster {
namespace {

struct Stretch {
  std::size_t lo, hi;
};

// Where the padding that begins at `at` ends.
std::size_t skip_padding(const Region& region, std::size_t at, std::size_t hi) {
  while (at < hi) {
    const FlowInfo info = region.decode(at);
    if (!info.fills() || at + info.length > hi) break;
    at += info.length;
  }
  return at;
}

// What `stretch` holds if it is code; without runs unless all of it makes sense.
Fill fill_of(Claims& claims, Region& region, const Stretch& stretch, bool ends_function) {
  const Fill nothing{&region, stretch.lo, stretch.hi, {}, {}};
  Fill fill = nothing;
  std::vector<std::size_t> starts;
  std::vector<Vaddr> targets;
  bool flows_on = region.follows_int3(stretch.lo);  // into what comes next
  if (flows_on) fill.runs.push_back(stretch.lo);
  for (std::size_t at = stretch.lo; at < stretch.hi;) {
    if (!flows_on) {
      at = skip_padding(region, at, stretch.hi);
      if (at == stretch.hi) break;
      fill.runs.push_back(at);
    }
    const FlowInfo info = region.decode(at);
    if (info.kind == FlowKind::invalid || info.odd || at + info.length > stretch.hi ||
        region.is_disputed(at))
      return nothing;
    for (std::size_t i = at; i < at + info.length; ++i)
      if (region.is_data(i)) return nothing;
    if (info.direct()) targets.push_back(info.target);
    if (info.rip_relative && info.kind != FlowKind::nop) fill.refers_to.push_back(info.memory);
    starts.push_back(at);
    const bool call = info.kind == FlowKind::call || info.kind == FlowKind::indirect_call;
    at += info.length;
    flows_on = !info.ends_flow() && !(call && at == stretch.hi && ends_function);
  }
  if (flows_on && ends_function) return nothing;
  for (const Vaddr target : targets) {
    const Spot spot = claims.find(target);
    if (!spot || spot.region->is_inside(spot.at)) return nothing;
    const bool here = spot.region == &region && spot.at >= stretch.lo && spot.at < stretch.hi;
    if (here && !std::binary_search(starts.begin(), starts.end(), spot.at) &&
        skip_padding(region, spot.at, stretch.hi) == spot.at)
      return nothing;
  }
  return fill;
}

}  // namespace

void find_fills(Claims& claims, const AddressRange& function, std::vector<Fill>& fills) {
  const Spot begin = claims.find(function.lo);
  if (!begin) return;
  Region& region = *begin.region;
  const std::size_t hi = std::min(begin.at + function.size().value, region.size());
  for (std::size_t at = begin.at; at < hi;) {
    if (!region.is_free(at)) {
      ++at;
      continue;
    }
    Stretch stretch{at, at};
    while (stretch.hi < hi && region.is_free(stretch.hi)) ++stretch.hi;
    Fill fill = fill_of(claims, region, stretch, stretch.hi == hi);
    if (!fill.runs.empty()) fills.push_back(std::move(fill));
    at = stretch.hi;
  }
}

bool add_fills(const std::vector<Fill>& fills, const std::vector<TakenAddress>& taken,
               Descent& descent) {
  std::vector<Vaddr> referred;
  for (const Fill& fill : fills)
    referred.insert(referred.end(), fill.refers_to.begin(), fill.refers_to.end());
  for (const TakenAddress& address : taken) referred.push_back(address.target);
  std::ranges::sort(referred);
  bool added = false;
  for (const Fill& fill : fills) {
    const auto first = std::ranges::lower_bound(referred, fill.region->address(fill.lo));
    if (first != referred.end() && *first < fill.region->address(fill.hi)) continue;
    for (const std::size_t run : fill.runs)
      descent.add(fill.region->address(run), Evidence::unwind);
    added = true;
  }
  return added;
}

}  // namespace punster
