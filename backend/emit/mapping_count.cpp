// Counted as /proc/PID/maps would show it: neighbours of one file with the same protection and file
// offsets that go on are one area; an overlay splits the area it lies in; between the segments of a
// shared object ld.so leaves inaccessible filler. What RELRO splits and .bss adds is the same on
// both sides.

#include "backend/emit/mapping_count.h"

#include <algorithm>

namespace punster {
namespace {

struct Area {
  Vaddr lo, hi;
  std::uint64_t what = 0;   // protection, and who mapped it: areas of different opens never merge
  std::uint64_t shift = 0;  // file offset minus address
};

/// What a trap needs at run time: the first thread's alternate stack, its guard, and the end of
/// what they were mapped into.
constexpr std::uint64_t areas_for_traps = 3;

constexpr std::uint64_t by_runtime = 0x100, filler = 0x200, counted = 0x300;

std::uint64_t flags_of(const PageMapping& m) {
  switch (m.contents) {
    case Contents::constants:
      return PF_R;
    case Contents::variables:
      return PF_R | PF_W;
    default:
      return PF_R | PF_X;
  }
}

std::vector<Area> areas_of(std::span<const Elf64_Phdr> headers, bool fill_gaps) {
  std::vector<Area> areas;
  for (const auto& p : headers) {
    if (p.p_type != PT_LOAD || p.p_memsz == 0) continue;
    const Area area{page_floor(Vaddr{p.p_vaddr}), page_ceil(Vaddr{p.p_vaddr + p.p_memsz}),
                    p.p_flags, p.p_offset - p.p_vaddr};
    if (fill_gaps && !areas.empty() && areas.back().hi < area.lo)
      areas.push_back({areas.back().hi, area.lo, filler, 0});
    areas.push_back(area);
  }
  return areas;
}

void sort_by_address(std::vector<Area>& areas) {
  std::sort(areas.begin(), areas.end(), [](const Area& a, const Area& b) { return a.lo < b.lo; });
}

/// Both sorted and disjoint: what remains of `below` where `above` covers it, and `above`. O(n log
/// n).
std::vector<Area> covered(const std::vector<Area>& below, const std::vector<Area>& above) {
  std::vector<Area> result = above;
  auto first = above.begin();
  for (auto area : below) {
    while (first != above.end() && first->hi <= area.lo) ++first;
    for (auto it = first; it != above.end() && it->lo < area.hi; ++it) {
      if (area.lo < it->lo) result.push_back({area.lo, it->lo, area.what, area.shift});
      area.lo = std::max(area.lo, it->hi);
    }
    if (area.lo < area.hi) result.push_back(area);
  }
  sort_by_address(result);
  return result;
}

std::uint64_t count(const std::vector<Area>& areas) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < areas.size(); ++i)
    if (i == 0 || areas[i - 1].hi != areas[i].lo || areas[i - 1].what != areas[i].what ||
        (areas[i].what != filler && areas[i - 1].shift != areas[i].shift))
      ++total;
  return total;
}

}  // namespace

std::uint64_t added_mappings(const ElfView& input, const std::vector<Elf64_Phdr>& headers,
                             const EmitPlan& plan, const OutputLayout& layout,
                             std::span<const PageMapping> overlays) {
  const bool fill_gaps = input.kind() == FileKind::dso;
  std::vector<Area> ours;
  const bool loaded = plan.layout == Layout::loader;
  for (const auto& m : loaded ? std::span<const PageMapping>(plan.mappings) : overlays)
    ours.push_back({m.address, m.address + Bytes{m.pages * page_size.value}, by_runtime | flags_of(m),
                    layout.pages.offset.value + m.first_page * page_size.value - m.address.value});
  if (plan.counters)
    ours.push_back(
        {plan.counters->address, plan.counters->address + plan.counters->size, counted, 0});
  sort_by_address(ours);
  return count(covered(areas_of(headers, fill_gaps), ours)) -
         count(areas_of(input.segments(), fill_gaps)) + (plan.traps.empty() ? 0 : areas_for_traps);
}

}  // namespace punster
