#include "frontend/image/restartable.h"

#include <algorithm>
#include <map>

#include "frontend/image/dynamic_table.h"

namespace punster {
namespace {

/// struct rseq_cs of linux/rseq.h.
struct Sequence {
  std::uint32_t version, flags;
  std::uint64_t start, length, abort;
};
constexpr std::uint64_t size_of_signature = 4, place_of_start = 8, place_of_abort = 24;

/// Words of position-independent files that RELA gives their values, by address.
std::map<std::uint64_t, std::uint64_t> relocated_words(ByteView file, const ElfTables& tables,
                                                       AddressRange range) {
  std::map<std::uint64_t, std::uint64_t> words;
  const auto dynamic = DynamicTable::read(file, tables);
  const ByteView entries =
      tables.from(file, dynamic.get_or_zero(DT_RELA)).part(0, dynamic.get_or_zero(DT_RELASZ));
  for (std::uint64_t at = 0; at + sizeof(Elf64_Rela) <= entries.size(); at += sizeof(Elf64_Rela)) {
    const auto rela = *entries.read<Elf64_Rela>(at);
    if (ELF64_R_TYPE(rela.r_info) == R_X86_64_RELATIVE && range.contains(Vaddr{rela.r_offset}))
      words[rela.r_offset] = static_cast<std::uint64_t>(rela.r_addend);
  }
  return words;
}

}  // namespace

std::vector<AddressRange> restartable_ranges(const Image& image) {
  const auto section = std::ranges::find(image.sections(), "__rseq_cs", &Section::name);
  if (section == image.sections().end()) return {};
  const ByteView file(image.file());
  const auto tables = ElfTables::read(file, image.path().string());
  if (tables.has_error()) return {};
  const auto words = relocated_words(file, tables.value(), section->range);
  const ByteView table(image.bytes_at(section->range.lo, section->range.size()));
  std::vector<AddressRange> ranges;
  for (std::uint64_t at = 0; at + sizeof(Sequence) <= table.size(); at += sizeof(Sequence)) {
    auto sequence = *table.read<Sequence>(at);
    const auto value = [&](std::uint64_t place, std::uint64_t in_file) {
      const auto word = words.find(section->range.lo.value + at + place);
      return word == words.end() ? in_file : word->second;
    };
    const Vaddr start{value(place_of_start, sequence.start)},
        abort{value(place_of_abort, sequence.abort)};
    if (sequence.length > 0 && image.section_at(start) != nullptr &&
        image.section_at(start)->range.contains(start + Bytes{sequence.length - 1}))
      ranges.push_back({start, start + Bytes{sequence.length}});
    if (image.section_at(abort) != nullptr && abort.value >= size_of_signature)
      ranges.push_back({Vaddr{abort.value - size_of_signature}, abort});
  }
  return ranges;
}

}  // namespace punster
