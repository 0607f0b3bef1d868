#include "backend/emit/owned_calls.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "backend/emit/dynamic_section.h"

namespace punster {
namespace {

struct OwnedName {
  std::string_view name;
  std::uint32_t number;
};

constexpr OwnedName owned_names[] = {
#define PUNSTER_OWNED_NAME(name) {#name, punster_owned_##name},
    PUNSTER_OWNED_FUNCTIONS(PUNSTER_OWNED_NAME)
#undef PUNSTER_OWNED_NAME
};

/// The dynamic section's strings and symbols, by address.
struct Names {
  const ElfView& input;
  std::uint64_t symbols = 0, strings = 0;

  [[nodiscard]] std::optional<std::uint32_t> owned(std::uint32_t symbol) const {
    const auto entry =
        input.bytes_at(Vaddr{symbols + symbol * sizeof(Elf64_Sym)}, Bytes{sizeof(Elf64_Sym)});
    if (entry.size() < sizeof(Elf64_Sym)) return std::nullopt;
    Elf64_Sym s;
    std::memcpy(&s, entry.data(), sizeof s);
    // A definition of the program's own would be called, not libc's.
    if (s.st_shndx != SHN_UNDEF) return std::nullopt;
    const auto bytes = input.bytes_at(Vaddr{strings + s.st_name}, Bytes{32});
    const auto end = std::find(bytes.begin(), bytes.end(), 0);
    const std::string_view name(reinterpret_cast<const char*>(bytes.data()),
                                static_cast<std::size_t>(end - bytes.begin()));
    for (const auto& [owned_name, number] : owned_names)
      if (owned_name == name) return number;
    return std::nullopt;
  }
};

Result<void> read_table(const Names& names, Vaddr table, std::uint64_t bytes,
                        std::vector<PunsterImport>& out) {
  const auto& input = names.input;
  const auto offset = input.to_offset(table);
  if (!offset)
    return error("malformed", input.path().string() + ": relocations lie outside of the file");
  for (std::uint64_t at = 0; at + sizeof(Elf64_Rela) <= bytes; at += sizeof(Elf64_Rela)) {
    PUNSTER_TRY(const auto r, input.read<Elf64_Rela>(*offset + Bytes{at}));
    const auto type = ELF64_R_TYPE(r.r_info);
    if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
    if (const auto number = names.owned(static_cast<std::uint32_t>(ELF64_R_SYM(r.r_info))))
      out.push_back({r.r_offset, *number, 0});
  }
  return success();
}

}  // namespace

Result<std::vector<PunsterImport>> owned_imports(const ElfView& input) {
  std::vector<PunsterImport> imports;
  PUNSTER_TRY(const auto dynamic, DynamicSection::read(input));
  const auto symbols = dynamic.find(DT_SYMTAB), strings = dynamic.find(DT_STRTAB);
  if (!symbols || !strings) return imports;
  const Names names{input, symbols->value, strings->value};
  for (const auto& [table, size] :
       {std::pair(DT_RELA, DT_RELASZ), std::pair(DT_JMPREL, DT_PLTRELSZ)}) {
    const auto at = dynamic.find(table), bytes = dynamic.find(size);
    if (!at || !bytes) continue;
    PUNSTER_TRY(read_table(names, Vaddr{at->value}, bytes->value, imports));
  }
  std::sort(imports.begin(), imports.end(),
            [](const auto& a, const auto& b) { return a.slot < b.slot; });
  imports.erase(std::unique(imports.begin(), imports.end(),
                            [](const auto& a, const auto& b) { return a.slot == b.slot; }),
                imports.end());
  return imports;
}

AddressRange protected_pages(const ElfView& input) {
  for (const auto& p : input.segments()) {
    if (p.p_type != PT_GNU_RELRO) continue;
    const AddressRange pages{page_floor(Vaddr{p.p_vaddr}),
                             page_floor(Vaddr{p.p_vaddr + p.p_memsz})};
    if (pages.lo < pages.hi) return pages;
  }
  return {};
}

std::optional<std::vector<std::uint8_t>> gate_code(Vaddr gate, std::optional<Vaddr> runtime) {
  if (!runtime) return std::vector<std::uint8_t>{0x41, 0xff, 0xe3};  // jmp *%r11
  const auto distance = displacement(gate + Bytes{5}, *runtime);
  if (!distance) return std::nullopt;
  std::vector<std::uint8_t> code{0xe9, 0, 0, 0, 0};  // jmp runtime
  std::memcpy(code.data() + 1, &*distance, sizeof *distance);
  return code;
}

}  // namespace punster
