// Whether the file is still the original, but for what a rewriter has to change in place, and
// whether the runtime is entered at start.

#pragma once

#include <vector>

#include "frontend/verify/failure_log.h"
#include "frontend/verify/patched_image.h"

namespace punster {

/// Compares the original's bytes, at their offsets. May differ: the ELF header's entry, tables and
/// counts; the old program header table; the dynamic entry or word that the hook takes over, and
/// DF_1_NODELETE; a build id; GNU_PROPERTY's IBT and SHSTK, which may be cleared. Kinds
/// "original_bytes_changed", "dynamic_section".
void check_original_bytes(const PatchedImage& original, const PatchedImage& patched,
                          FailureLog& log);

/// Of `bytes`, link-time addresses, those that are none of these allowed edits: where the headers
/// and the hook's word stand in an executable segment, they show in memory unless an overlay hides
/// them.
[[nodiscard]] std::vector<Vaddr> without_allowed_edits(std::vector<Vaddr> bytes,
                                                       const PatchedImage& original,
                                                       const PatchedImage& patched);

/// The hook that the tables name leads into a runtime that names these tables, and the original
/// start is kept. Kind "hook". Does nothing when the file has no tables.
void check_hook(const PatchedImage& original, const PatchedImage& patched, FailureLog& log);

/// Where displaced `syscall` instructions come by: to the runtime, or straight back to them.
void check_gate(const PatchedImage& original, const PatchedImage& patched, FailureLog& log);

}  // namespace punster
