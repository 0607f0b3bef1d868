// Whether kernel, ld.so and our runtime will map the patched file the way the proof assumes.

#pragma once

#include "frontend/verify/failure_log.h"
#include "frontend/verify/patched_image.h"

namespace punster {

/// The original's program header that `segment` of the patched file is, or nullptr when it was added.
/// A segment of code may have grown to the end of its last page, which is in memory anyway.
[[nodiscard]] const Elf64_Phdr* kept_header(const PatchedImage& original, const Elf64_Phdr& segment);

/// Program headers: the original's are kept, the added ones are sane, and the table's own segment
/// makes AT_PHDR right. Kinds "program_headers", "segments_overlap", "writable_code",
/// "too_many_headers".
void check_program_headers(const PatchedImage& original, const PatchedImage& patched,
                           FailureLog& log);

/// The runtime's tables: mappings disjoint from each other and from everything else, inside the
/// file, aligned, overlays over original code only, traps ascending. Kinds "bad_tables",
/// "bad_mapping", "mappings_overlap", "mapping_over_image", "outside_span", "overlay_outside_code",
/// "traps_unsorted". Does nothing when the file has no tables.
void check_tables(const PatchedImage& original, const PatchedImage& patched, FailureLog& log);

}  // namespace punster
