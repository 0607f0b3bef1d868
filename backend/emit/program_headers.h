#pragma once

#include "backend/emit/layout.h"

namespace punster {

/// The input's program headers, in their order, with ours behind its last PT_LOAD (PT_LOADs
/// ascend), that of the low end before its first, and PT_PHDR pointing to the new table.
[[nodiscard]] std::vector<Elf64_Phdr> new_program_headers(const ElfView& input,
                                                          const OutputLayout& layout);

}  // namespace punster
