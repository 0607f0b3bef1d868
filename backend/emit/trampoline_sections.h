// The memory of trampolines as sections, for debuggers and profilers.

#pragma once

#include "backend/emit/layout.h"

namespace punster {

/// A run of trampoline pages that is contiguous in memory and in the file.
struct TrampolineSection {
  AddressRange range;  ///< link-time; below an image that is linked at 0 both ends have wrapped
  FileOffset offset;   ///< of its first byte
  bool holds_bodies = false;
};

/// All runs of the plan, overlays left out. Ascending by unsigned address.
[[nodiscard]] std::vector<TrampolineSection> trampoline_sections(const EmitPlan& plan,
                                                                 const OutputLayout& layout);

/// The one that holds all of `range`, or nullptr. O(log n).
[[nodiscard]] TrampolineSection* section_of(std::vector<TrampolineSection>& sections,
                                            AddressRange range);

}  // namespace punster
