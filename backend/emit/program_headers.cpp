#include "backend/emit/program_headers.h"

#include <algorithm>

#include "backend/emit/arenas.h"

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

// p_paddr is read by nobody but BFD, which lays segments out in the file by it. In the order of
// p_vaddr `strip` would put ours before the original's segments, and move those. So what may stand
// below them counts on from the end of all: the low end, the table, then trampolines in file order.
class Above {
 public:
  explicit Above(const OutputLayout& layout) : next_(layout.span.hi) {}
  Elf64_Phdr operator()(Elf64_Phdr p) {
    p.p_paddr = next_.value;
    next_ = page_ceil(next_ + Bytes{p.p_memsz});
    return p;
  }

 private:
  Vaddr next_;
};

std::vector<Elf64_Phdr> our_loads(const EmitPlan& plan, const OutputLayout& layout) {
  Above above(layout);
  std::vector<Elf64_Phdr> ours;
  const auto table =
      load(layout.header_table, layout.header_table.size + layout.table_filler.size, PF_R);
  if (layout.low_end.size.value > 0) {
    ours.push_back(above(load(layout.low_end, layout.low_end.size, PF_R)));
    ours.push_back(above(table));
  } else {
    ours.push_back(table);
  }
  if (plan.layout == Layout::headers) {
    auto arenas = arenas_of(plan);
    std::stable_sort(arenas.begin(), arenas.end(), [](const PageMapping& a, const PageMapping& b) {
      return a.first_page < b.first_page;
    });
    for (const auto& arena : arenas) {
      const Bytes size{arena.pages * page_size.value};
      const auto offset = layout.trampolines.offset + Bytes{arena.first_page * page_size.value};
      ours.push_back(above(load({arena.address, offset, size}, size, PF_R | PF_X)));
    }
  }
  if (layout.frames.size.value > 0)
    ours.push_back(
        above(load(layout.frame_index, layout.frame_index.size + layout.frames.size, PF_R)));
  ours.push_back(
      load(layout.tables, layout.tables.size + layout.pages.size + layout.originals.size, PF_R));
  if (needs_runtime(plan)) {
    ours.push_back(load(layout.runtime, layout.runtime.size, PF_R | PF_X));
    // Whole pages of the file, no .bss: a loader that rounds or clears differently has nothing to
    // do.
    ours.push_back(load(layout.state, layout.state.size, PF_R | PF_W));
  }
  if (layout.counters.size.value > 0)
    ours.push_back(above(load(layout.counters, layout.counters.size, PF_R | PF_W)));
  return ours;
}

}  // namespace

std::vector<Elf64_Phdr> new_program_headers(const ElfView& input, const EmitPlan& plan,
                                            const OutputLayout& layout) {
  std::vector<Elf64_Phdr> headers(input.segments().begin(), input.segments().end());
  for (auto& p : headers)
    if (p.p_type == PT_PHDR) {
      p.p_offset = layout.header_table.offset.value;
      p.p_vaddr = p.p_paddr = layout.header_table.address.value;
      p.p_filesz = p.p_memsz = layout.header_table.size.value;
    }
  for (auto& p : headers)
    if (p.p_type == PT_GNU_EH_FRAME && layout.frame_index.size.value > 0) {
      p.p_offset = layout.frame_index.offset.value;
      p.p_vaddr = p.p_paddr = layout.frame_index.address.value;
      p.p_filesz = p.p_memsz = layout.frame_index.size.value;
    }
  for (const auto& tail : layout.tails)
    for (auto& p : headers)
      if (p.p_type == PT_LOAD && p.p_vaddr + p.p_filesz == tail.address.value)
        p.p_filesz = p.p_memsz = p.p_filesz + tail.size.value;
  for (const auto& p : our_loads(plan, layout)) {
    auto place = std::find_if(headers.begin(), headers.end(), [&](const Elf64_Phdr& other) {
      return other.p_type == PT_LOAD && other.p_vaddr > p.p_vaddr;
    });
    if (place == headers.end())
      place = std::find_if(headers.rbegin(), headers.rend(), [](const Elf64_Phdr& other) {
                return other.p_type == PT_LOAD;
              }).base();
    headers.insert(place, p);
  }
  return headers;
}

}  // namespace punster
