// The build-id, by which a file and its debug file know each other.

#pragma once

#include <string>

#include "frontend/image/elf_tables.h"

namespace punster {

/// Hexadecimal; empty when there is none. From PT_NOTE segments, or, where no program headers were
/// read, from SHT_NOTE sections.
[[nodiscard]] std::string read_build_id(ByteView file, const ElfTables& tables);

}  // namespace punster
