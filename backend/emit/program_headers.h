#pragma once

#include "backend/emit/layout.h"

namespace punster {

/// The input's program headers, in their order, with ours among them so that PT_LOADs ascend, and
/// PT_PHDR pointing to the new table; segments of code may have grown by layout.tails. As many as
/// header_count() says.
[[nodiscard]] std::vector<Elf64_Phdr> new_program_headers(const ElfView& input,
                                                          const EmitPlan& plan,
                                                          const OutputLayout& layout);

}  // namespace punster
