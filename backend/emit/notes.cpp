#include "backend/emit/notes.h"

#include <algorithm>
#include <functional>

namespace punster {
namespace {

constexpr std::uint32_t property_note = 5;                  // NT_GNU_PROPERTY_TYPE_0
constexpr std::uint32_t feature_1_and = 0xc0000002;         // GNU_PROPERTY_X86_FEATURE_1_AND

/// Calls `visit(descriptor's file offset, its size)` for each note of `type` by "GNU". Notes that run
/// out of their segment end the walk: they are advice, and a loader ignores them too.
void for_each_gnu_note(const ElfView& input, std::uint32_t type,
                       const std::function<void(FileOffset, std::uint64_t)>& visit) {
  for (const auto& p : input.segments()) {
    if (p.p_type != PT_NOTE) continue;
    const std::uint64_t align = p.p_align == 8 ? 8 : 4;
    const auto up = [&](std::uint64_t n) { return (n + align - 1) & ~(align - 1); };
    for (std::uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= p.p_filesz;) {
      const auto note = input.read<Elf64_Nhdr>(FileOffset{p.p_offset + at});
      if (!note) return;
      const auto& n = note.value();
      const auto name = at + sizeof(Elf64_Nhdr);
      const auto descriptor = at + up(sizeof(Elf64_Nhdr) + n.n_namesz);
      if (descriptor > p.p_filesz || n.n_descsz > p.p_filesz - descriptor) break;
      const auto who = input.read<std::uint32_t>(FileOffset{p.p_offset + name});
      if (n.n_type == type && n.n_namesz == 4 && who && who.value() == 0x00554e47)
        visit(FileOffset{p.p_offset + descriptor}, n.n_descsz);
      at = descriptor + up(n.n_descsz);
    }
  }
}

}  // namespace

std::vector<FileEdit> clear_features(const ElfView& input, std::uint32_t features) {
  std::vector<FileEdit> edits;
  for_each_gnu_note(input, property_note, [&](FileOffset at, std::uint64_t size) {
    for (std::uint64_t i = 0; i + 12 <= size;) {
      const auto type = input.read<std::uint32_t>(at + Bytes{i});
      const auto length = input.read<std::uint32_t>(at + Bytes{i + 4});
      const auto value = input.read<std::uint32_t>(at + Bytes{i + 8});
      if (!type || !length || !value) return;
      if (type.value() == feature_1_and && (value.value() & features))
        edits.push_back(edit_of(at + Bytes{i + 8}, value.value() & ~features));
      i += 8 + ((std::uint64_t{length.value()} + 7) & ~7ull);
    }
  });
  return edits;
}

std::vector<FileEdit> fresh_build_id(const ElfView& input, std::span<const std::uint8_t> build_key) {
  std::vector<FileEdit> edits;
  for_each_gnu_note(input, NT_GNU_BUILD_ID, [&](FileOffset at, std::uint64_t size) {
    std::vector<std::uint8_t> id(size);
    for (std::size_t i = 0; i < id.size(); ++i) id[i] = build_key[i % build_key.size()];
    edits.push_back({at, std::move(id)});
  });
  return edits;
}

}  // namespace punster
