// Where everything that emit adds stands, in memory and in the file.

#pragma once

#include "backend/emit/emit.h"

namespace punster {

/// A piece of the output: `size` bytes of the file, mapped (if it is) at `address`.
struct Piece {
  Vaddr address;
  FileOffset offset;
  Bytes size;
  [[nodiscard]] Vaddr end() const { return address + size; }
};

/// All pieces but header_table and its filler are whole pages, and what is not there is empty. File
/// and memory advance together from `tables` on: tables, pages, originals, runtime, state follow
/// one another without a gap.
struct OutputLayout {
  Piece low_end;       ///< of a file that begins with a segment of ours: a copy of the headers
  Piece header_table;  ///< exactly the new program headers
  Piece table_filler;  ///< zeros from there to the end of the page
  /// The pages of EmitPlan::pages that trampolines show. Mapped by program headers of their own;
  /// where the runtime maps them, they are the beginning of `pages`.
  Piece trampolines;
  /// Where the running program finds unwind rows: the index, and what it leads to, to the end of a
  /// page.
  Piece frame_index, frames;
  Piece tables;  ///< PunsterHeader and what it points to; read only
  Piece pages;   ///< what the runtime maps; in the same segment as tables, so that `strip` keeps it
  Piece originals;  ///< code pages as they were before they were patched in place; likewise
  Piece runtime;    ///< read + execute
  Piece state;      ///< read + write
  Piece counters;   ///< zeros at EmitPlan::counters, read + write, when program headers map them
  /// Ends of the original's segments that grew to the end of their page: see PatchedInPlace.
  std::vector<Piece> tails;
  std::vector<Piece> gaps;  ///< code in none of the original's sections: likewise
  FileOffset end;           ///< section headers go here
  AddressRange span;        ///< of all program headers
};

/// How many bytes a plan needs of each, before rounding up to pages.
struct PieceSizes {
  Bytes tables, pages, originals, runtime, state, frame_index, frames;
};

[[nodiscard]] OutputLayout lay_out(const ElfView& input, const Footprint& footprint,
                                   const EmitPlan& plan, const PieceSizes& sizes);

}  // namespace punster
