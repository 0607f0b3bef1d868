// What footprint() and emit() must agree on.

#pragma once

#include "backend/emit/emit.h"

namespace punster {

/// PT_LOADs that emit adds besides arenas: header table, tables, runtime, state; one more at the
/// start of a file that begins with one of ours.
inline constexpr unsigned most_added_segments = 5;

/// How far into Footprint::header_table the new program headers begin.
[[nodiscard]] Bytes header_table_start(const ElfView& input);

/// Bytes of address space to leave unused between the highest mapping and the tables segment.
[[nodiscard]] std::uint64_t unused_room_below_tables(FileKind kind);

}  // namespace punster
