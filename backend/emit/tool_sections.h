// What nothing at run time reads, but debuggers and profilers do: where trampolines are, whose, and
// how to unwind from them.

#pragma once

#include "backend/emit/symbols.h"
#include "backend/emit/unwind_rows.h"

namespace punster {

inline constexpr std::uint64_t frames_alignment = 8;

struct ToolSections {
  std::vector<TrampolineSection> trampolines;
  std::vector<std::uint8_t> frames;  ///< .debug_frame as it is to be; empty: it stays as it is
  bool frames_compressed = false;
  std::uint32_t frames_section = 0;       ///< its section header; 0: a new one is needed
  std::optional<SymbolSections> symbols;  ///< nothing: they stay as they are
  UnwindSummary summary;
};

/// Everything empty when the plan wants none (EmitPlan::bodies is null) or the input has no
/// sections; but trampolines with a program header always have a section, for `strip`.
/// `first_index`: the section header index that trampolines[0] will have.
[[nodiscard]] ToolSections tool_sections(const ElfView& input, const EmitPlan& plan,
                                         const OutputLayout& layout, std::uint32_t first_index);

}  // namespace punster
