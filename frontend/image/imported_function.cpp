#include "frontend/image/imported_function.h"

#include <algorithm>

#include "frontend/decode/decoder.h"
#include "frontend/image/dynamic_table.h"

namespace punster {
namespace {

/// The GOT slots that are to hold the address of `name`: sorted.
std::vector<Vaddr> slots_of(const Image& image, std::string_view name) {
  const ByteView file(image.file());
  const auto tables = ElfTables::read(file, image.path().string());
  if (!tables) return {};
  const DynamicTable dynamic = DynamicTable::read(file, tables.value());
  const auto at = [&](std::int64_t tag) {
    return tables.value().from(file, dynamic.get_or_zero(tag));
  };
  const ByteView symbols = at(DT_SYMTAB), names = at(DT_STRTAB);
  std::vector<Vaddr> slots;
  const auto add = [&](ByteView entries) {
    for (std::uint64_t i = 0; i + sizeof(Elf64_Rela) <= entries.size(); i += sizeof(Elf64_Rela)) {
      const auto rela = *entries.read<Elf64_Rela>(i);
      const auto type = ELF64_R_TYPE(rela.r_info);
      if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
      const auto symbol = symbols.read<Elf64_Sym>(ELF64_R_SYM(rela.r_info) * sizeof(Elf64_Sym));
      if (symbol && symbol->st_shndx == SHN_UNDEF && names.text(symbol->st_name) == name)
        slots.push_back(Vaddr{rela.r_offset});
    }
  };
  add(at(DT_RELA).part(0, dynamic.get_or_zero(DT_RELASZ)));
  if (dynamic.get_or_zero(DT_PLTREL) == DT_RELA)
    add(at(DT_JMPREL).part(0, dynamic.get_or_zero(DT_PLTRELSZ)));
  std::ranges::sort(slots);
  return slots;
}

}  // namespace

std::optional<Vaddr> imported_function(const Image& image, std::string_view name) {
  const auto slots = slots_of(image, name);
  if (slots.empty()) return std::nullopt;
  for (const Section& section : image.code_sections()) {
    if (!section.name.starts_with(".plt")) continue;
    // `endbr64` or not, `bnd` or not: the entry is the jump through the slot, and what marks it.
    std::optional<Vaddr> marker;
    for (Vaddr at = section.range.lo; at < section.range.hi;) {
      const FlowInfo flow = decode_flow(image.bytes_at(at, Bytes{15}), at);
      const Vaddr entry = marker.value_or(at);
      if (flow.kind == FlowKind::indirect_jump && flow.rip_relative &&
          std::ranges::binary_search(slots, flow.memory))
        return entry;
      static constexpr std::uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
      const auto bytes = image.bytes_at(at, Bytes{4});
      marker = std::ranges::equal(bytes, endbr64) ? std::optional(at) : std::nullopt;
      at = at + Bytes{std::max<std::uint64_t>(flow.length, 1)};
    }
  }
  return std::nullopt;
}

}  // namespace punster
