#include "backend/emit/arenas.h"

#include <algorithm>

namespace punster {
std::vector<PageMapping> arenas_of(const EmitPlan& plan) {
  std::vector<PageMapping> arenas;
  for (const auto& m : plan.mappings) {
    if (m.overlay) continue;
    if (!arenas.empty() && arenas.back().continued_by(m))
      arenas.back().pages += m.pages;
    else
      arenas.push_back(m);
  }
  std::sort(arenas.begin(), arenas.end(),
            [](const PageMapping& a, const PageMapping& b) { return a.address < b.address; });
  return arenas;
}

std::uint32_t trampoline_pages(const EmitPlan& plan) {
  std::uint32_t pages = 0;
  for (const auto& m : plan.mappings)
    if (!m.overlay) pages = std::max(pages, m.first_page + m.pages);
  return pages;
}

bool begins_with_ours(const ElfView& input, const EmitPlan& plan) {
  if (plan.raised_by.value > 0) return true;
  if (plan.layout != Layout::headers) return false;
  const auto segments = input.segments();
  const auto first = std::find_if(segments.begin(), segments.end(),
                                  [](const auto& p) { return p.p_type == PT_LOAD; });
  // A distance, because what is below an image linked at 0 has a huge address.
  return std::any_of(plan.mappings.begin(), plan.mappings.end(), [&](const PageMapping& m) {
    return !m.overlay && static_cast<std::int64_t>(m.address.value - first->p_vaddr) < 0;
  });
}

bool needs_runtime(const EmitPlan& plan) {
  return plan.layout == Layout::loader || !plan.traps.empty() || plan.counters.has_value();
}

std::size_t header_count(const ElfView& input, const EmitPlan& plan) {
  std::size_t ours = 2;  // the header table's segment, tables
  if (needs_runtime(plan)) ours += 2;
  if (begins_with_ours(input, plan)) ours += 1;
  if (plan.layout == Layout::headers) ours += arenas_of(plan).size() + (plan.counters ? 1 : 0);
  if (plan.frames_for_process) ours += 1;
  return input.segments().size() + ours;
}

}  // namespace punster
