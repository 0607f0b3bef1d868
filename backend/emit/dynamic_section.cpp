#include "backend/emit/dynamic_section.h"

#include <algorithm>

namespace punster {

Result<DynamicSection> DynamicSection::read(const ElfView& view) {
  DynamicSection dynamic;
  const auto segments = view.segments();
  const auto segment = std::find_if(segments.begin(), segments.end(),
                                    [](const auto& p) { return p.p_type == PT_DYNAMIC; });
  if (segment == segments.end()) return dynamic;
  for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segment->p_filesz; at += sizeof(Elf64_Dyn)) {
    const FileOffset offset{segment->p_offset + at};
    PUNSTER_TRY(const auto d, view.read<Elf64_Dyn>(offset));
    if (d.d_tag == DT_NULL)
      dynamic.spares_.push_back(offset);
    else if (dynamic.spares_.empty())
      dynamic.entries_.push_back({d.d_tag, d.d_un.d_val, offset});
    else
      break;
  }
  if (!dynamic.spares_.empty()) dynamic.spares_.pop_back();
  return dynamic;
}

std::optional<DynamicEntry> DynamicSection::find(std::int64_t tag) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const auto& e) { return e.tag == tag; });
  if (found == entries_.end()) return std::nullopt;
  return *found;
}

std::string DynamicSection::soname(const ElfView& view) const {
  const auto name = find(DT_SONAME), strings = find(DT_STRTAB);
  if (!name || !strings) return "";
  const auto bytes = view.bytes_at(Vaddr{strings->value + name->value}, Bytes{256});
  const auto end = std::find(bytes.begin(), bytes.end(), 0);
  return std::string(bytes.begin(), end);
}

}  // namespace punster
