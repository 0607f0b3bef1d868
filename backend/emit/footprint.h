// What footprint() and emit() must agree on.

#pragma once

#include "backend/emit/emit.h"

namespace punster {

/// PT_LOADs that emit adds: header table, tables, runtime, state; in a raised file one more at its
/// start.
inline constexpr unsigned most_added_segments = 5;
[[nodiscard]] inline unsigned added_segments(const EmitPlan& plan) {
  return plan.raised_by.value == 0 ? most_added_segments - 1 : most_added_segments;
}

/// How far into Footprint::header_table the new program headers begin.
[[nodiscard]] Bytes header_table_start(const ElfView& input);

/// Bytes of address space to leave unused between the highest mapping and the tables segment.
[[nodiscard]] std::uint64_t unused_room_below_tables(FileKind kind);

}  // namespace punster
