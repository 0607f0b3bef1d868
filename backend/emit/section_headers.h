#pragma once

#include "backend/emit/tool_sections.h"

namespace punster {

/// What stands at the end of the output: contents that are not loaded, names, then headers. The old
/// sections keep their numbers.
struct SectionHeaders {
  std::vector<std::uint8_t> bytes;  ///< from OutputLayout::end on
  FileOffset table;                 ///< e_shoff
  std::uint16_t count = 0;          ///< e_shnum
};

/// The index that the first trampoline section will have.
[[nodiscard]] std::uint32_t first_trampoline_section(const ElfView& input,
                                                     const OutputLayout& layout);

/// Nothing when the file has no section headers, or none whose names can be found.
[[nodiscard]] std::optional<SectionHeaders> new_section_headers(const ElfView& input,
                                                                const EmitPlan& plan,
                                                                const OutputLayout& layout,
                                                                const ToolSections& tools);

}  // namespace punster
