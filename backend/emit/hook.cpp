// Executables are hooked at e_entry: ld.so has then run the libraries' constructors, but nothing of the
// program itself. (Whatever ran before, IFUNC resolvers for one, ran the original code.)
//
// Shared objects are hooked at their first initialiser. DT_INIT precedes DT_INIT_ARRAY, so it is taken
// when there is one. Else the first word of the array, which the loader fills from a relocation: the
// addend of an R_X86_64_RELATIVE, or the word itself when it is listed in DT_RELR. Else a spare DT_NULL
// becomes a DT_INIT; linkers leave some.

#include "backend/emit/hook.h"

#include <algorithm>

// Linux' own <elf.h> of Debian 12 names them; older ones may not.
#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

namespace punster {
namespace {

std::uint64_t value_or(const std::optional<DynamicEntry>& entry, std::uint64_t otherwise) {
  return entry ? entry->value : otherwise;
}

/// The word that decides what the loader stores at `slot`, and the value it has now.
struct Source {
  FileOffset word;
  Vaddr value;
};

Result<std::optional<Source>> relocated_by_rela(const ElfView& input, const DynamicSection& dynamic,
                                                Vaddr slot) {
  const auto table = dynamic.find(DT_RELA);
  const auto size = value_or(dynamic.find(DT_RELASZ), 0);
  if (!table) return std::optional<Source>{};
  const auto offset = input.to_offset(Vaddr{table->value});
  if (!offset) return error("malformed", input.path().string() + ": DT_RELA lies outside of the file");
  std::optional<Source> found;
  for (std::uint64_t at = 0; at + sizeof(Elf64_Rela) <= size; at += sizeof(Elf64_Rela)) {
    const FileOffset here = *offset + Bytes{at};
    PUNSTER_TRY(const auto r, input.read<Elf64_Rela>(here));
    if (r.r_offset != slot.value) continue;
    if (ELF64_R_TYPE(r.r_info) != R_X86_64_RELATIVE) return std::optional<Source>{};
    found = Source{here + Bytes{offsetof(Elf64_Rela, r_addend)},
                   Vaddr{static_cast<std::uint64_t>(r.r_addend)}};
  }
  return found;
}

// RELR: an even word is an address, which is relocated; an odd one is a bitmap of the 63 words after the
// last one it or its predecessor covered.
Result<bool> relocated_in_place(const ElfView& input, const DynamicSection& dynamic, Vaddr slot) {
  const auto table = dynamic.find(DT_RELR);
  const auto size = value_or(dynamic.find(DT_RELRSZ), 0);
  if (!table) return false;
  const auto offset = input.to_offset(Vaddr{table->value});
  if (!offset) return error("malformed", input.path().string() + ": DT_RELR lies outside of the file");
  std::uint64_t next = 0;
  for (std::uint64_t at = 0; at + 8 <= size; at += 8) {
    PUNSTER_TRY(const auto word, input.read<std::uint64_t>(*offset + Bytes{at}));
    if ((word & 1) == 0) {
      if (word == slot.value) return true;
      next = word + 8;
      continue;
    }
    const auto index = (slot.value - next) / 8;
    if (slot.value >= next && (slot.value - next) % 8 == 0 && index < 63 && (word >> (index + 1) & 1))
      return true;
    next += 63 * 8;
  }
  return false;
}

Result<std::optional<Source>> first_of_init_array(const ElfView& input, const DynamicSection& dynamic) {
  const auto array = dynamic.find(DT_INIT_ARRAY);
  if (!array || value_or(dynamic.find(DT_INIT_ARRAYSZ), 0) < 8) return std::optional<Source>{};
  const Vaddr slot{array->value};
  PUNSTER_TRY(auto source, relocated_by_rela(input, dynamic, slot));
  if (source) return source;
  PUNSTER_TRY(const bool in_place, relocated_in_place(input, dynamic, slot));
  const auto offset = input.to_offset(slot);
  if (!in_place || !offset) return std::optional<Source>{};
  PUNSTER_TRY(const auto word, input.read<std::uint64_t>(*offset));
  return std::optional<Source>{Source{*offset, Vaddr{word}}};
}

Result<void> keep_object_loaded(const ElfView& input, const DynamicSection& dynamic,
                                std::vector<FileOffset>& spares, Hook& hook) {
  if (const auto flags = dynamic.find(DT_FLAGS_1)) {
    hook.edits.push_back(edit_of(flags->offset, Elf64_Dyn{DT_FLAGS_1, {flags->value | DF_1_NODELETE}}));
  } else if (!spares.empty()) {
    hook.edits.push_back(edit_of(spares.front(), Elf64_Dyn{DT_FLAGS_1, {DF_1_NODELETE}}));
  } else {
    return error("unsupported", input.path().string() +
                                    ": sites need traps, but the dynamic section has no room to forbid "
                                    "unloading; use --no-traps");
  }
  return success();
}

Result<Hook> hook_of_shared_object(const ElfView& input, bool keep_loaded) {
  PUNSTER_TRY(const auto dynamic, DynamicSection::read(input));
  auto spares = dynamic.spares();
  Hook hook;
  PUNSTER_TRY(const auto first, first_of_init_array(input, dynamic));
  if (const auto init = dynamic.find(DT_INIT); init && init->value != 0) {
    hook.kind = PUNSTER_HOOK_INIT;
    hook.original_entry = Vaddr{init->value};
    hook.words = {init->offset + Bytes{offsetof(Elf64_Dyn, d_un)}};
  } else if (first && first->value.value != 0) {
    hook.kind = PUNSTER_HOOK_INIT_ARRAY;
    hook.original_entry = first->value;
    hook.words = {first->word};
  } else if (!spares.empty()) {
    hook.kind = PUNSTER_HOOK_INIT;
    hook.edits.push_back(edit_of(spares.front(), std::int64_t{DT_INIT}));
    hook.words = {spares.front() + Bytes{offsetof(Elf64_Dyn, d_un)}};
    spares.erase(spares.begin());
  } else {
    return error("no_hook", input.path().string() +
                                ": has no initialiser to hook and no room in its dynamic section for one");
  }
  if (keep_loaded) {
    PUNSTER_TRY(keep_object_loaded(input, dynamic, spares, hook));
  }
  return hook;
}

}  // namespace

Result<Hook> find_hook(const ElfView& input, bool keep_loaded) {
  if (input.kind() == FileKind::dso) return hook_of_shared_object(input, keep_loaded);
  Hook hook;
  hook.kind = PUNSTER_HOOK_ENTRY;
  hook.original_entry = Vaddr{input.header().e_entry};
  return hook;
}

}  // namespace punster
