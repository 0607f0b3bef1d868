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

/// In file order. All pieces but header_table and its filler are whole pages; file and memory
/// advance together from `tables` on: tables, pages, runtime, state follow one another without a
/// gap.
struct OutputLayout {
  Piece header_table;  ///< exactly the new program headers
  Piece table_filler;  ///< zeros from there to the end of the page
  Piece low_end;       ///< of a raised file: what its span begins with, at address 0; else empty
  Piece tables;        ///< PunsterHeader and what it points to; read only
  Piece pages;         ///< EmitPlan::pages; in the same segment as tables, so that `strip` keeps them
  Piece runtime;       ///< read + execute
  Piece state;         ///< read + write
  FileOffset end;      ///< section headers go here
  AddressRange span;   ///< of all program headers
};

/// `tables_size`: before rounding up to pages; likewise the other two.
[[nodiscard]] OutputLayout lay_out(const ElfView& input, const Footprint& footprint, const EmitPlan& plan,
                                   Bytes tables_size, Bytes runtime_size, Bytes state_size);

}  // namespace punster
