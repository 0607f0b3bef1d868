// Where a body's exceptions go: the original's tables, re-timed.
//
// A personality routine looks the program counter up in its function's call-site table (LSDA), by
// the distance from where the function begins. In bodies other distances hold, so with the
// original's table it would run a wrong handler. But an LSDA may say what its landing pads are
// relative to, and their code stays where it is (patched, and it leads on to bodies):
//
//   original LSDA    call sites [a, b) -> pad    relative to the function   types
//   ours             call sites [T(a), T(b)) -> the same pad, relative to the original function
//
// T is that of unwind_rows.cpp. Calls never need this table: they return to the original, whose own
// table says what holds there. It is for what is thrown, or cancelled, from within a body: by a
// signal's handler.
//
// The format is GCC's (LLVM's, Rust's and GNAT's as well): LPStart, TType, call sites, actions.

#pragma once

#include "backend/emit/body_list.h"
#include "backend/emit/call_frames.h"
#include "backend/emit/placed_bytes.h"

namespace punster {

/// The bodies of one function: [first, last) of a list. Precondition: first < last.
struct BodyRow {
  const BodyList& bodies;
  std::size_t first, last;
};

/// When the row has run what is before `location`: see unwind_rows.cpp. O(log n).
[[nodiscard]] Vaddr time_of(const BodyRow& row, Vaddr location);

/// Appends the table of a function that has one (FrameEntry::lsda). Returns where in `out` it
/// begins; nothing when it cannot be carried over, and then nothing is appended.
[[nodiscard]] std::optional<std::size_t> add_handler_table(const ElfView& input,
                                                           const FrameEntry& entry,
                                                           const BodyRow& row, PlacedBytes& out);

}  // namespace punster
