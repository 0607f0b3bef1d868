#pragma once

#include "backend/emit/layout.h"

namespace punster {

/// How many virtual memory areas the output has in a running process beyond those of the input.
/// `overlays`: those of a header-mapped file, by pages of layout.pages.
[[nodiscard]] std::uint64_t added_mappings(const ElfView& input, const std::vector<Elf64_Phdr>& headers,
                                           const EmitPlan& plan, const OutputLayout& layout,
                                           std::span<const PageMapping> overlays);

}  // namespace punster
