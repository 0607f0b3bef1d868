#pragma once

#include "backend/emit/layout.h"

namespace punster {

/// What stands at the end of the output: names, then headers. The old sections keep their numbers.
struct SectionHeaders {
  std::vector<std::uint8_t> bytes;  ///< from OutputLayout::end on
  FileOffset table;                 ///< e_shoff
  std::uint16_t count = 0;          ///< e_shnum
};

/// Nothing when the file has no section headers, or none whose names can be found.
[[nodiscard]] std::optional<SectionHeaders> new_section_headers(const ElfView& input,
                                                                const OutputLayout& layout);

}  // namespace punster
