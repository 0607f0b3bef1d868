#include "backend/emit/trampoline_sections.h"

#include <algorithm>

namespace punster {

std::vector<TrampolineSection> trampoline_sections(const EmitPlan& plan,
                                                   const OutputLayout& layout) {
  std::vector<TrampolineSection> sections;
  for (const auto& m : plan.mappings) {
    if (m.overlay) continue;
    const AddressRange range{m.address, m.address + Bytes{m.pages * page_size.value}};
    const auto offset = layout.pages.offset + Bytes{m.first_page * page_size.value};
    if (!sections.empty()) {
      auto& before = sections.back();
      if (before.range.hi == range.lo && before.offset + before.range.size() == offset) {
        before.range.hi = range.hi;
        continue;
      }
    }
    sections.push_back({range, offset});
  }
  std::sort(sections.begin(), sections.end(),
            [](const auto& a, const auto& b) { return a.range.lo < b.range.lo; });
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
