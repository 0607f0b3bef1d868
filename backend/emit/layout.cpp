#include "backend/emit/layout.h"

#include <algorithm>

#include "backend/emit/arenas.h"
#include "backend/emit/footprint.h"

namespace punster {
namespace {

Bytes whole_pages(Bytes size) {
  return Bytes{page_ceil(Vaddr{size.value}).value};
}

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

/// Copy of the headers, then the table, from the lowest address of all on: as far from each other
/// in the file as in memory, also when `strip` has put both elsewhere in the file.
void place_at_low_end(const EmitPlan& plan, FileOffset offset, Bytes headers,
                      OutputLayout& layout) {
  const Bytes copy = whole_pages(Bytes{sizeof(Elf64_Ehdr)} + headers);
  const Bytes table = whole_pages(headers + Bytes{1});  // what remains is a section
  // What is raised begins at 0, where programs look for an object without bias.
  Vaddr lowest{};
  if (plan.raised_by.value == 0) lowest = arenas_of(plan).front().address - (copy + table);
  layout.low_end = {lowest, offset, copy};
  layout.header_table = {layout.low_end.end(), offset + copy, headers};
  layout.table_filler = {layout.header_table.end(), layout.header_table.offset + headers,
                         table - headers};
}

/// As far from the first segment in the file as in memory: see footprint.cpp.
void place_above_image(const ElfView& input, const Footprint& footprint, Bytes headers,
                       OutputLayout& layout) {
  const auto segments = input.segments();
  const auto first = *std::find_if(segments.begin(), segments.end(),
                                   [](const auto& p) { return p.p_type == PT_LOAD; });
  const auto room = footprint.header_table;
  const auto in_file = [&](Vaddr a) {
    return FileOffset{a.value - (first.p_vaddr - first.p_offset)};
  };
  const auto table = room.lo + header_table_start(input);
  const auto filler = table + headers, end = page_ceil(filler + Bytes{1});
  layout.header_table = {table, in_file(table), headers};
  layout.table_filler = {filler, in_file(filler), end - filler};
}

/// The lowest pages above the image that nobody has: whoever looks through an index of unwind rows
/// sees 2 GiB in both directions.
Vaddr beside_image(const Footprint& footprint, const EmitPlan& plan, Bytes size) {
  std::vector<AddressRange> taken;
  for (const auto& m : plan.mappings)
    if (!m.overlay) taken.push_back({m.address, m.end()});
  if (plan.counters)
    taken.push_back({plan.counters->address, plan.counters->address + plan.counters->size});
  std::sort(taken.begin(), taken.end(),
            [](const AddressRange& a, const AddressRange& b) { return a.lo < b.lo; });
  Vaddr at = footprint.header_table.hi;
  for (const auto& range : taken)
    // What is below an image linked at 0 has the highest addresses.
    if (range.hi > at && range.lo < at + size) at = range.hi;
  return at;
}

}  // namespace

OutputLayout lay_out(const ElfView& input, const Footprint& footprint, const EmitPlan& plan,
                     const PieceSizes& sizes) {
  OutputLayout layout;
  const Bytes headers{header_count(input, plan) * sizeof(Elf64_Phdr)};
  const bool ours_first = begins_with_ours(input, plan);
  if (ours_first)
    place_at_low_end(plan, FileOffset{whole_pages(Bytes{input.file().size()}).value}, headers,
                     layout);
  else
    place_above_image(input, footprint, headers, layout);

  FileOffset offset = layout.table_filler.offset + layout.table_filler.size;
  const Bytes shown{trampoline_pages(plan) * page_size.value};
  if (plan.layout == Layout::headers) {
    layout.trampolines = {Vaddr{}, offset, shown};
    offset = offset + shown;
  }
  Vaddr top = top_of(footprint, plan);
  if (sizes.frames.value > 0) {
    const Bytes size = whole_pages(sizes.frame_index + sizes.frames);
    layout.frame_index = {beside_image(footprint, plan, size), offset, sizes.frame_index};
    layout.frames = {layout.frame_index.end(), offset + sizes.frame_index,
                     size - sizes.frame_index};
    offset = offset + size;
    top = std::max(top, layout.frames.end());
  }
  Vaddr address = top + Bytes{unused_room_below_tables(input.kind())};
  const auto next = [&](Bytes size) {
    const Piece piece{address, offset, whole_pages(size)};
    address = piece.end();
    offset = piece.offset + piece.size;
    return piece;
  };
  layout.tables = next(sizes.tables);
  layout.pages = next(sizes.pages);
  layout.originals = next(sizes.originals);
  layout.runtime = next(sizes.runtime);
  layout.state = next(sizes.state);
  if (plan.layout == Layout::headers && plan.counters) {
    layout.counters = {plan.counters->address, offset, plan.counters->size};
    offset = offset + plan.counters->size;
  }
  layout.end = offset;
  if (plan.layout == Layout::loader) layout.trampolines = {Vaddr{}, layout.pages.offset, shown};
  layout.span = {ours_first ? layout.low_end.address : footprint.image.lo, address};
  return layout;
}

}  // namespace punster
