// Where the file's own pointers point: the addresses that the dynamic linker is told about.

#pragma once

#include <vector>

#include "frontend/image/dynamic_table.h"
#include "frontend/image/image.h"

namespace punster {

/// Targets of relocations (RELA, RELR, IRELATIVE), entries of the init, fini and preinit arrays,
/// DT_INIT and DT_FINI that lie in [some code section]: sorted, unique. `code` is ascending.
[[nodiscard]] std::vector<Vaddr> relocation_targets(ByteView file, const ElfTables& tables,
                                                    const DynamicTable& dynamic,
                                                    const std::vector<Section>& code);

}  // namespace punster
