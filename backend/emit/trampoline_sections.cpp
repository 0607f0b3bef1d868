#include "backend/emit/trampoline_sections.h"

#include <algorithm>

#include "backend/emit/arenas.h"

namespace punster {

std::vector<TrampolineSection> trampoline_sections(const EmitPlan& plan,
                                                   const OutputLayout& layout) {
  std::vector<TrampolineSection> sections;
  for (const auto& arena : arenas_of(plan))
    sections.push_back({{arena.address, arena.address + Bytes{arena.pages * page_size.value}},
                        layout.trampolines.offset + Bytes{arena.first_page * page_size.value}});
  return sections;
}

TrampolineSection* section_of(std::vector<TrampolineSection>& sections, AddressRange range) {
  auto after = std::upper_bound(
      sections.begin(), sections.end(), range.lo,
      [](Vaddr address, const TrampolineSection& s) { return address < s.range.lo; });
  if (after == sections.begin()) return nullptr;
  auto& section = *--after;
  return range.lo < section.range.hi && range.hi <= section.range.hi ? &section : nullptr;
}

}  // namespace punster
