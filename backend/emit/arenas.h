// Which runs of trampoline pages a plan has, and what that means for the program headers.

#pragma once

#include "backend/emit/emit.h"

namespace punster {

/// Runs of trampoline pages that are contiguous in memory and in the file, overlays left out.
/// Ascending by unsigned address.
[[nodiscard]] std::vector<PageMapping> arenas_of(const EmitPlan& plan);

/// Pages of EmitPlan::pages that trampolines show. In a plan for program headers they come first,
/// and those of overlays behind them.
[[nodiscard]] std::uint32_t trampoline_pages(const EmitPlan& plan);

/// Whether the output's first segment is one of ours: it is raised, or has program headers for
/// trampolines below the image.
[[nodiscard]] bool begins_with_ours(const ElfView& input, const EmitPlan& plan);

}  // namespace punster
