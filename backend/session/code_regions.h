// The executable bytes of the input, and the bytes among them that belong to nobody.

#pragma once

#include <vector>

#include "backend/emit/elf_view.h"
#include "backend/solve/solve.h"

namespace punster {

/// How far a region reaches: to the end of its segment's bytes; or to the end of its last page, where
/// that is nobody else's in memory (the kernel maps whole pages, and an overlay shows our copy of
/// them), or neither in memory nor in the file (where it is often another segment's).
enum class Tail : std::uint8_t { none, in_memory, in_file };

/// One region per executable PT_LOAD.
std::vector<CodeRegion> code_regions(const ElfView& input, Tail tail);

/// What client-announced padding does not cover but may be overwritten all the same: zero bytes
/// between two sections of an executable segment, and the tail of its last page. Added to
/// `padding`; ascending, disjoint, merged.
std::vector<AddressRange> with_slack(const ElfView& input, const std::vector<CodeRegion>& regions,
                                     std::span<const Insn> instructions,
                                     const std::vector<AddressRange>& padding);

}  // namespace punster
