#pragma once

#include "backend/emit/layout.h"

namespace punster {

/// How many virtual memory areas the output has in a running process beyond those of the input.
[[nodiscard]] std::uint64_t added_mappings(const ElfView& input, const std::vector<Elf64_Phdr>& headers,
                                           const EmitPlan& plan, const OutputLayout& layout);

}  // namespace punster
