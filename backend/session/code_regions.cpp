#include "backend/session/code_regions.h"

#include <algorithm>

#include "backend/emit/code_pages.h"
#include "protocol/address_ranges.h"

namespace punster {
namespace {

/// The end of the segment in memory, extended over the rest of its page if that is free.
std::uint64_t end_with_tail(const ElfView& input, const Elf64_Phdr& segment) {
  const std::uint64_t end = segment.p_vaddr + segment.p_filesz;
  const std::uint64_t page_end = page_ceil(Vaddr{end}).value;
  if (segment.p_memsz != segment.p_filesz) return end;
  if (segment.p_offset + (page_end - segment.p_vaddr) > input.file().size()) return end;
  for (const auto& other : input.segments())
    if (other.p_type == PT_LOAD && other.p_vaddr > segment.p_vaddr &&
        page_floor(Vaddr{other.p_vaddr}).value < page_end)
      return end;
  return page_end;
}

/// Sections that occupy memory in [region.lo, region.hi), ascending.
std::vector<AddressRange> sections_in(const ElfView& input, AddressRange region) {
  std::vector<AddressRange> ranges;
  for (const auto& section : input.sections()) {
    const std::uint64_t end = section.sh_addr + section.sh_size;
    if (!(section.sh_flags & SHF_ALLOC) || section.sh_size == 0 || end < section.sh_addr) continue;
    const AddressRange range{Vaddr{section.sh_addr}, Vaddr{end}};
    if (range.overlaps(region)) ranges.push_back(range);
  }
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

class Slack {
 public:
  Slack(std::span<const Insn> instructions, std::vector<AddressRange> padding)
      : instructions_(instructions), padding_(std::move(padding)) {}

  void add_zeros(const CodeRegion& region, Vaddr lo, Vaddr hi) {
    for (Vaddr a = lo; a < hi; a = a + Bytes{1})
      if (region.bytes[(a - region.address).value] != 0) return;
    add(lo, hi);
  }
  void add(Vaddr lo, Vaddr hi) {
    if (lo < hi && !holds_instruction(lo, hi)) padding_.push_back({lo, hi});
  }

  std::vector<AddressRange> merged() && { return joined(std::move(padding_)); }

 private:
  [[nodiscard]] bool holds_instruction(Vaddr lo, Vaddr hi) const {
    const auto it = std::lower_bound(instructions_.begin(), instructions_.end(), lo,
                                     [](const Insn& i, Vaddr a) { return i.end() <= a; });
    return it != instructions_.end() && it->address() < hi;
  }
  std::span<const Insn> instructions_;
  std::vector<AddressRange> padding_;
};

}  // namespace

std::vector<CodeRegion> code_regions(const ElfView& input, Tail tail) {
  std::vector<CodeRegion> regions;
  for (const auto& segment : input.segments()) {
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X) || segment.p_filesz == 0) continue;
    std::uint64_t end = segment.p_vaddr + segment.p_filesz;
    if (tail == Tail::in_memory ||
        (tail == Tail::in_file && tail_in_file(input, segment).value > 0))
      end = end_with_tail(input, segment);
    regions.push_back(
        {Vaddr{segment.p_vaddr}, input.file().subspan(segment.p_offset, end - segment.p_vaddr)});
  }
  return regions;
}

std::vector<AddressRange> with_slack(const ElfView& input, const std::vector<CodeRegion>& regions,
                                     std::span<const Insn> instructions,
                                     const std::vector<AddressRange>& padding) {
  Slack slack(instructions, padding);
  for (const auto& region : regions) {
    const AddressRange all{region.address, region.address + Bytes{region.bytes.size()}};
    const auto sections = sections_in(input, all);
    for (std::size_t i = 1; i < sections.size(); ++i)
      if (sections[i - 1].hi < sections[i].lo)
        slack.add_zeros(region, std::max(sections[i - 1].hi, all.lo), sections[i].lo);
    for (const auto& segment : input.segments())
      if (segment.p_type == PT_LOAD && segment.p_vaddr == region.address.value)
        slack.add(region.address + Bytes{segment.p_filesz}, all.hi);
  }
  return std::move(slack).merged();
}

}  // namespace punster
