// Call frame information: which address ranges are functions, and where exceptions land in them.

#pragma once

#include <vector>

#include "frontend/image/elf_tables.h"
#include "frontend/image/image.h"

namespace punster {

/// Every FDE of .eh_frame whose range lies inside one of `code` (ascending), by address, with the
/// landing pads of its LSDA. Found by section name, else through PT_GNU_EH_FRAME. Damaged records
/// end the reading of their table, nothing worse.
[[nodiscard]] std::vector<UnwindEntry> read_unwind(ByteView file, const ElfTables& tables,
                                                   const std::vector<Section>& code);

}  // namespace punster
