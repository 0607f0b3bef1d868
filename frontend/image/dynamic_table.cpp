#include "frontend/image/dynamic_table.h"

namespace punster {

DynamicTable DynamicTable::read(ByteView file, const ElfTables& tables) {
  DynamicTable table;
  const Elf64_Phdr* segment = tables.program(PT_DYNAMIC);
  if (segment == nullptr)
    return table;
  table.present = true;
  const ByteView bytes = tables.from(file, segment->p_vaddr);
  for (std::uint64_t at = 0;; at += sizeof(Elf64_Dyn)) {
    const auto entry = bytes.read<Elf64_Dyn>(at);
    if (!entry || entry->d_tag == DT_NULL || at >= segment->p_memsz)
      break;
    table.values.emplace(entry->d_tag, entry->d_un.d_val);
  }
  if (const auto name = table.get(DT_SONAME))
    table.soname = tables.from(file, table.get_or_zero(DT_STRTAB)).text(*name);
  return table;
}

std::optional<std::uint64_t> DynamicTable::get(std::int64_t tag) const {
  const auto it = values.find(tag);
  return it == values.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace punster
