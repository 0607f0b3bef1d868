#include "backend/emit/program_headers.h"

#include <algorithm>

#include "backend/emit/footprint.h"

namespace punster {
namespace {

Elf64_Phdr load(const Piece& piece, Bytes size, Elf64_Word flags) {
  Elf64_Phdr p{};
  p.p_type = PT_LOAD;
  p.p_flags = flags;
  p.p_offset = piece.offset.value;
  p.p_vaddr = p.p_paddr = piece.address.value;
  p.p_filesz = p.p_memsz = size.value;
  p.p_align = page_size.value;
  return p;
}

}  // namespace

std::vector<Elf64_Phdr> new_program_headers(const ElfView& input, const OutputLayout& layout) {
  std::vector<Elf64_Phdr> headers(input.segments().begin(), input.segments().end());
  for (auto& p : headers)
    if (p.p_type == PT_PHDR) {
      p.p_offset = layout.header_table.offset.value;
      p.p_vaddr = p.p_paddr = layout.header_table.address.value;
      p.p_filesz = p.p_memsz = layout.header_table.size.value;
    }
  const auto last_load = std::find_if(headers.rbegin(), headers.rend(),
                                      [](const auto& p) { return p.p_type == PT_LOAD; });
  const std::initializer_list<Elf64_Phdr> ours = {
      load(layout.header_table, layout.header_table.size + layout.table_filler.size, PF_R),
      load(layout.tables, layout.tables.size + layout.pages.size, PF_R),
      load(layout.runtime, layout.runtime.size, PF_R | PF_X),
      // Whole pages of the file, no .bss: a loader that rounds or clears differently has nothing to
      // do.
      load(layout.state, layout.state.size, PF_R | PF_W)};
  headers.insert(last_load.base(), ours);
  if (layout.low_end.size.value > 0) {
    const auto first_load = std::find_if(headers.begin(), headers.end(),
                                         [](const auto& p) { return p.p_type == PT_LOAD; });
    auto low_end = load(layout.low_end, layout.low_end.size, PF_R);
    // Read by nobody but BFD, which lays segments out in the file by this order. In that of p_vaddr
    // `strip` would put our page before the original's segments and move them all.
    low_end.p_paddr = layout.span.hi.value;
    headers.insert(first_load, low_end);
  }
  return headers;
}

}  // namespace punster
