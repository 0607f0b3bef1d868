// Patched pages of code: mapped over the original ones by the runtime, or written over them in the
// file.

#pragma once

#include "backend/emit/edit.h"
#include "backend/emit/layout.h"

namespace punster {

/// The plan's mappings; an overlay that spans two segments becomes one for each. The runtime undoes
/// an overlay with the segment it came from.
[[nodiscard]] std::vector<PageMapping> cut_at_segments(const ElfView& input,
                                                       const std::vector<PageMapping>& mappings);

/// The bytes behind a segment's bytes, up to the end of its page, if the file has them, they are
/// zeros and belong to nothing else there; else 0.
[[nodiscard]] Bytes tail_in_file(const ElfView& input, const Elf64_Phdr& segment);

/// What becomes of overlays when the file itself is patched. Pages with a trap stay original in the
/// file, because code runs before anybody answers traps (constructors of others, IFUNC resolvers);
/// and so do pages that share a jump with one of them, because half a jump is none.
struct PatchedInPlace {
  std::vector<FileEdit> code;  ///< the patched bytes
  std::vector<Piece> tails;    ///< rests of pages that have code now, and belong to its segment
  /// What has code now between sections and behind the last one: `strip` would fill it with zeros.
  std::vector<Piece> gaps;
  std::vector<PageMapping> replaced;  ///< as overlays were; first_page counts pages of `originals`
  std::vector<std::uint8_t> originals;  ///< whole pages of the input's file
  std::vector<PageMapping> overlays;    ///< that stay; first_page counts pages of `overlay_pages`
  std::vector<std::uint8_t> overlay_pages;
};

/// Precondition: why_not_in_place() is empty, and overlays change nothing behind the end of a
/// segment's bytes in the file but tail_in_file().
[[nodiscard]] PatchedInPlace patched_in_place(const ElfView& input, const EmitPlan& plan);

}  // namespace punster
