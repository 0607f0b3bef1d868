// Unwind rows that the running program finds: when a signal arrives in a trampoline and its handler
// asks for a backtrace, throws, or is cancelled.
//
// The unwinders of libgcc and LLVM, and profilers, look for rows through PT_GNU_EH_FRAME: an index
// of all FDEs, sorted by address, 8 bytes each, searched by bisection. Index and section follow the
// code in the file, and there is no room for more. But the index says where everything is by
// distances: so a new one, elsewhere, can name the original's FDEs where they are, and ours beside
// it.
//
//   PT_GNU_EH_FRAME -> index: original FDEs (in .eh_frame, as ever), ours
//                      FDEs for trampolines (unwind_rows.h)
//                      handler tables (handler_tables.h)
//
// Nothing is relocated and nothing runs at start; pages nobody asks for are never read. An index
// reaches 2 GiB in both directions, so it stands as near to the image as there is room, and what is
// further away than that has no rows in it.

#pragma once

#include "backend/emit/frame_writer.h"

namespace punster {

class BodyList;

/// What .eh_frame_hdr says.
struct FrameIndex {
  Vaddr section;  ///< .eh_frame
  struct Entry {
    Vaddr first;  ///< address that the FDE begins at,
    Vaddr frame;  ///< and its own
  };
  std::vector<Entry> entries;
};

class ProcessFrames {
 public:
  /// Precondition: can_unwind_itself().
  ProcessFrames(const ElfView& input, const BodyList& bodies);

  /// Whose bodies have rows.
  [[nodiscard]] std::uint64_t functions() const { return functions_; }
  /// Of the index, and of all that stands behind it, alignment included. The index comes first.
  [[nodiscard]] Bytes index_size() const;
  [[nodiscard]] Bytes size() const { return size_; }
  /// All of it, as it is to stand at `address`, a multiple of 8.
  [[nodiscard]] std::vector<std::uint8_t> placed(Vaddr address);

 private:
  FrameIndex original_;
  std::uint64_t functions_ = 0;
  Bytes size_;
  FrameWriter writer_{FrameFormat::eh_frame};
};

}  // namespace punster
