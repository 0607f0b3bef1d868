// What footprint() and emit() must agree on.

#pragma once

#include "backend/emit/elf_view.h"

namespace punster {

/// PT_LOADs that emit adds: header table, tables, runtime, state.
inline constexpr unsigned added_segments = 4;

/// How far into Footprint::header_table the new program headers begin.
[[nodiscard]] Bytes header_table_start(const ElfView& input);

/// Bytes of address space to leave unused between the highest mapping and the tables segment.
[[nodiscard]] std::uint64_t unused_room_below_tables(FileKind kind);

}  // namespace punster
