// What the solver is told of the address space: where stubs may stand, how many arenas it may open,
// and how many file pages all of them share.
//
// Program headers (layouts.h) are fewer than the arenas that puns of scattered sites like to open,
// so there the solver is told beforehand where stubs gather (gatherings.h), and opens an arena only
// where nothing else is left. Left to itself, with a limit, it spent all arenas on the first
// hundred sites, at places that were of no use to the others: all jumps of git kept 11,228 traps,
// of cmake 32,275, of libc 7,668. With gatherings none of them keeps any.

#include <algorithm>

#include "backend/place/gatherings.h"
#include "backend/place/page_ring.h"
#include "backend/session/code_regions.h"
#include "backend/session/session_state.h"

namespace punster {
namespace {

/// What an objective spends.
struct Spending {
  /// Arenas that are opened where that spares evictions: a few, and one more for so many sites.
  /// Each is a mapping, and where a neighbour that nobody asked to patch can be displaced instead,
  /// its copy stands in the row of bodies (bridges.h) and costs little at run time. Where nearly
  /// all instructions are sites and targets lie above the image only, there is nobody to displace,
  /// and every arena saves traps. Not more than this part of the mapping budget. All jumps of git:
  /// 205 mappings; 445 when whatever was near an open page counted as free.
  unsigned part_of_budget, sites_per_arena, sites_per_arena_with_nobody_to_displace;
  /// How full the ring of file pages gets when every site needs a stub, beyond the pages that it
  /// has anyway. Fuller is smaller, and finds room less often: with targets above the image only,
  /// libc kept 2,760 traps at 0.4 and 2,060 at 0.2; with room on both sides gdb kept 3 at 0.5 and
  /// 30 at 0.7.
  double ring_fill_two_sided, ring_fill_one_sided;
  /// Programs with less than 4 MiB of code get by with this, as long as the ring is 1.8 times as
  /// long as the code (arenas are as long as the code, and most stubs gather in two): git has 15.9
  /// MB instead of 18.1, no trap in either, and 74 mappings instead of 53. Shared objects would,
  /// too, but what ld.so puts between their mappings doubles them.
  double ring_fill_small_program;
  /// A larger ring shows more pages in one arena. All jumps of ls, bash, git: 110, 143, 228
  /// mappings with 192 pages, 74, 98, 203 with 256, 68, 104, 165 with 512.
  std::uint32_t least_ring_pages;
};
constexpr std::uint64_t arenas_for_any = 16;
/// Where pages of the file are not shared, the ring is there for the solver's accounts only: so
/// large that gatherings do not meet on it, of programs with less than 6 MiB of code.
constexpr std::uint32_t unshared_ring_pages = 16384;
/// And an arena is what may get filler between its pages.
constexpr std::uint32_t unshared_arena_pages = 16;
constexpr std::uint32_t small_code_pages = 1024;
constexpr std::uint32_t most_ring_pages_for_gatherings = 1024;

Spending spending_of(Objective objective) {
  switch (objective) {
    case Objective::balanced:
      return {16, 2000, 100, 0.5, 0.25, 0.9, 256};
    case Objective::speed:  // and arenas come before evictions: SolverOptions::far_first
      return {4, 20, 20, 0.5, 0.25, 0.5, 256};
    case Objective::mappings:
      return {16, 100000, 2000, 0.5, 0.25, 0.5, 1024};
    case Objective::size:
      return {16, 2000, 100, 0.85, 0.5, 0.95, 64};
  }
  return {};
}

std::uint64_t arenas(const Spending& spending, std::uint64_t mapping_budget, std::size_t sites,
                     bool nobody_to_displace) {
  const unsigned sites_each = nobody_to_displace ? spending.sites_per_arena_with_nobody_to_displace
                                                 : spending.sites_per_arena;
  return std::min<std::uint64_t>(mapping_budget / spending.part_of_budget,
                                 arenas_for_any + sites / sites_each);
}

std::vector<TargetRange> signed_ranges(const std::vector<AddressRange>& ranges) {
  std::vector<TargetRange> out;
  for (const auto& range : ranges)
    out.push_back({signed_address(range.lo), signed_address(range.hi)});
  std::sort(out.begin(), out.end(),
            [](const TargetRange& a, const TargetRange& b) { return a.lo < b.lo; });
  return out;
}

/// `ranges` without [lo, hi).
std::vector<TargetRange> without(const std::vector<TargetRange>& ranges, std::int64_t lo,
                                 std::int64_t hi) {
  std::vector<TargetRange> out;
  for (const auto& range : ranges) {
    if (range.lo < std::min(lo, range.hi)) out.push_back({range.lo, std::min(lo, range.hi)});
    if (std::max(hi, range.lo) < range.hi) out.push_back({std::max(hi, range.lo), range.hi});
  }
  return out;
}

}  // namespace

std::int64_t first_body_address(const Footprint& room) {
  std::optional<std::int64_t> first;
  for (const auto& range : room.free)
    if (const auto lo = signed_address(range.lo);
        lo >= signed_address(room.header_table.hi) && (!first || lo < *first))
      first = lo;
  return first.value_or(signed_address(room.header_table.hi));
}

Result<AddressSpace> Session::State::space_for_stubs(const Bodies& bodies) const {
  auto free = signed_ranges(room->footprint.free);
  // What a client put elsewhere; the rest of its memory stands where bodies begin.
  for (const auto& data : reserved)
    if (data.address < first_body_address(room->footprint) || data.address >= next_reserved)
      free = without(free, data.address, data.end());
  const TargetRange claims[] = {{first_body_address(room->footprint), bodies.site_room().hi},
                                bodies.evicted_room()};
  for (const auto& claim : claims) {
    if (std::none_of(free.begin(), free.end(), [&](const TargetRange& range) {
          return range.lo <= claim.lo && claim.hi <= range.hi;
        }))
      return error("no_room", "the trampolines need " +
                                  std::to_string((claim.hi - claim.lo + 0xfffff) >> 20) +
                                  " MiB and so much is not in reach of the code");
    free = without(free, claim.lo, (claim.hi + 4095) & ~std::int64_t{4095});
  }
  const std::size_t sites = bodies.sites().size();
  const bool nobody_to_displace =
      !room_on_both_sides() && sites * 2 > requests.instructions().size();
  // The rest of the budget is for the pages of bodies and code.
  constexpr std::uint64_t for_others = 16;
  std::uint64_t most = mapping_budget - std::min(mapping_budget, for_others);
  // Who lets us choose wants no traps for the sake of program headers.
  if (layout.mode == LayoutMode::headers) {
    // Bodies and data are up to three runs of pages, and image and bodies may cut arenas in two;
    // the runtime, which traps bring in, has two program headers.
    constexpr std::size_t other_runs = 8;
    const auto runs = runs_with_headers({});
    most = std::min<std::uint64_t>(most, runs - std::min(runs, other_runs));
  }
  AddressSpace space{.free = std::move(free),
                     .arenas = std::min(most, arenas(spending_of(objective), mapping_budget, sites,
                                                     nobody_to_displace)),
                     .most_arenas = most,
                     .ring_pages = ring_pages(bodies),
                     .stub_grain = wants_copies(bodies) ? int{StubBodies::most_bytes} : 1,
                     .stubs = stubs};
  if (few_arenas(bodies)) gather(space);
  return space;
}

// Where most instructions are sites there are few neighbours to evict, and stubs gather by
// themselves. A raised shared object counts as one that may have few: ld.so maps each of a
// process's libraries, one mapping after the other. All jumps of libc, libcrypto, libstdc++: 67,
// 60, 62 mappings instead of 310, 299, 493, for 10 to 15 % more bytes, and sqlite runs 1.84 times
// native instead of 1.66; who would rather have the time asks for Objective::speed.
bool Session::State::few_arenas(const Bodies& bodies) const {
  const bool library = input->kind() == FileKind::dso && room_on_both_sides();
  return (layout.mode == LayoutMode::headers || (library && objective != Objective::speed)) &&
         bodies.sites().size() * 3 < requests.instructions().size();
}

void Session::State::gather(AddressSpace& space) const {
  const auto regions = code();
  if (regions.empty()) return;
  const TargetRange all{signed_address(regions.front().address),
                        signed_address(regions.back().address) +
                            static_cast<std::int64_t>(regions.back().bytes.size())};
  space.gatherings = gatherings(all);
  space.arenas = 0;
  // Each may be cut in two where a turn of the ring ends.
  space.most_arenas -= std::min<std::uint64_t>(
      space.most_arenas, space.gatherings.size() * (layout.share_pages ? 2 : 1));
  if (layout.share_pages || layout.mode != LayoutMode::headers) return;  // pages are shared
  space.ring_pages = unshared_ring_pages;
  space.arena_pages = unshared_arena_pages;
}

bool Session::State::room_on_both_sides() const {
  const auto lowest = signed_ranges(room->footprint.free).front().lo;
  return signed_address(room->footprint.image.lo) - lowest > std::int64_t{1} << 30;
}

bool Session::State::wants_copies(const Bodies& bodies) const {
  if (objective != Objective::speed) return false;
  const auto& sites = bodies.sites();
  const auto quiet =
      std::count_if(sites.begin(), sites.end(), [](const SiteBody& site) { return site.quiet; });
  return static_cast<std::size_t>(quiet) * 2 > sites.size();
}

std::uint32_t Session::State::ring_pages(const Bodies& bodies) const {
  const bool two_sided = room_on_both_sides();
  auto spending = spending_of(objective);
  std::uint64_t code_bytes = 0;
  for (const auto& region : code()) code_bytes += region.bytes.size();
  const auto code_pages = static_cast<std::uint32_t>(code_bytes / 4096 + 1);
  // Gatherings are as long as the code, and lie over each other on the ring.
  if (few_arenas(bodies))
    spending.least_ring_pages =
        std::max(spending.least_ring_pages, std::min(code_pages, most_ring_pages_for_gatherings));
  const auto filled = [&](double fill) {
    const double bytes = static_cast<double>(bodies.sites().size()) * 5 / fill;
    return spending.least_ring_pages + static_cast<std::uint32_t>(bytes / 4096);
  };
  // About half of the sites get a stub, or a copy in its place.
  if (wants_copies(bodies))
    return ring_size(filled(2.0 * 5 / StubBodies::most_bytes), code_pages, two_sided);
  std::uint32_t least =
      filled(two_sided ? spending.ring_fill_two_sided : spending.ring_fill_one_sided);
  if (two_sided && input->kind() != FileKind::dso && code_pages < small_code_pages)
    least = std::min(least, std::max(filled(spending.ring_fill_small_program), code_pages * 9 / 5));
  return ring_size(least, code_pages, two_sided);
}

}  // namespace punster
