// The executable bytes of the input, and the bytes among them that belong to nobody.

#pragma once

#include <vector>

#include "backend/emit/elf_view.h"
#include "backend/solve/solve.h"

namespace punster {

/// One region per executable PT_LOAD. A region reaches to the end of its last page in memory when
/// `with_tail` and that page is nobody else's: the kernel maps whole pages, and an overlay shows
/// our copy of them. (In the file the tail is often another segment's: never written there.)
std::vector<CodeRegion> code_regions(const ElfView& input, bool with_tail);

/// What client-announced padding does not cover but may be overwritten all the same: zero bytes
/// between two sections of an executable segment, and the tail of its last page. Added to
/// `padding`; ascending, disjoint, merged.
std::vector<AddressRange> with_slack(const ElfView& input, const std::vector<CodeRegion>& regions,
                                     std::span<const Insn> instructions,
                                     const std::vector<AddressRange>& padding);

}  // namespace punster
