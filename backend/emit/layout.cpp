#include "backend/emit/layout.h"

#include <algorithm>

#include "backend/emit/footprint.h"

namespace punster {
namespace {

Bytes whole_pages(Bytes size) { return Bytes{page_ceil(Vaddr{size.value}).value}; }

// The end of the highest thing that the runtime will map; the header table is always there.
Vaddr top_of(const Footprint& footprint, const EmitPlan& plan) {
  Vaddr top = footprint.header_table.hi;
  const auto raise = [&](Vaddr address, std::uint64_t size) {
    // A distance, because what is below an image linked at 0 has a huge address.
    const auto distance = static_cast<std::int64_t>(address.value - footprint.image.lo.value);
    if (distance > 0) top = std::max(top, address + Bytes{size});
  };
  for (const auto& m : plan.mappings) raise(m.address, m.pages * page_size.value);
  if (plan.counters) raise(plan.counters->address, plan.counters->size.value);
  return top;
}

}  // namespace

OutputLayout lay_out(const ElfView& input, const Footprint& footprint, const EmitPlan& plan,
                     Bytes tables_size, Bytes runtime_size, Bytes state_size) {
  const auto segments = input.segments();
  const auto first = *std::find_if(segments.begin(), segments.end(),
                                   [](const auto& p) { return p.p_type == PT_LOAD; });
  OutputLayout layout;
  const auto room = footprint.header_table;
  // As far from the first segment in the file as in memory: see footprint.cpp.
  const auto in_file = [&](Vaddr a) { return FileOffset{a.value - (first.p_vaddr - first.p_offset)}; };
  const auto table = room.lo + header_table_start(input);
  const Bytes headers{(segments.size() + added_segments(plan)) * sizeof(Elf64_Phdr)};
  const auto filler = table + headers;
  layout.header_table = {table, in_file(table), filler - table};
  layout.table_filler = {filler, in_file(filler), room.hi - filler};

  FileOffset offset = in_file(room.hi);
  if (plan.raised_by.value > 0) {
    layout.low_end = {Vaddr{}, offset, whole_pages(Bytes{sizeof(Elf64_Ehdr)} + headers)};
    offset = offset + layout.low_end.size;
  }
  Vaddr address = top_of(footprint, plan) + Bytes{unused_room_below_tables(input.kind())};
  const auto next = [&](Bytes size) {
    const Piece piece{address, offset, whole_pages(size)};
    address = piece.end();
    offset = piece.offset + piece.size;
    return piece;
  };
  layout.tables = next(tables_size);
  layout.pages = next(Bytes{plan.pages.size()});
  layout.runtime = next(runtime_size);
  layout.state = next(state_size);
  layout.end = offset;
  layout.span = {plan.raised_by.value > 0 ? layout.low_end.address : footprint.image.lo, address};
  return layout;
}

}  // namespace punster
