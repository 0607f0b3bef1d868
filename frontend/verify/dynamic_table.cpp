#include "frontend/verify/dynamic_table.h"

#include <cstddef>

namespace punster {
namespace {

/// Whether `after` keeps everything that DT_FLAGS_1 said, and adds at most "never unload".
bool keeps_flags(std::uint64_t before, std::uint64_t after) {
  return (after & ~std::uint64_t{DF_1_NODELETE}) == (before & ~std::uint64_t{DF_1_NODELETE}) &&
         (after & before) == before;
}

}  // namespace

DynamicEntries::DynamicEntries(const PatchedImage& image) {
  for (const Elf64_Phdr& segment : image.segments()) {
    if (segment.p_type != PT_DYNAMIC) continue;
    for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segment.p_filesz;
         at += sizeof(Elf64_Dyn)) {
      const auto entry = value_at<Elf64_Dyn>(image.file(), segment.p_offset + at);
      if (!entry) return;
      entries_.push_back({*entry, segment.p_offset + at});
    }
    return;
  }
}

std::optional<std::uint64_t> DynamicEntries::value(std::int64_t tag) const {
  for (const Entry& entry : entries_) {
    if (entry.value.d_tag == tag) return entry.value.d_un.d_val;
    if (entry.value.d_tag == DT_NULL) break;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> DynamicEntries::first_initialiser(const PatchedImage& image) const {
  const auto array = value(DT_INIT_ARRAY);
  if (!array) return std::nullopt;
  const auto table = value(DT_RELA), size = value(DT_RELASZ);
  const auto start = table ? offset_of(image, *table) : std::nullopt;
  for (std::uint64_t at = 0; start && size && at + sizeof(Elf64_Rela) <= *size;
       at += sizeof(Elf64_Rela)) {
    const auto rela = value_at<Elf64_Rela>(image.file(), *start + at);
    if (!rela) break;
    if (rela->r_offset == *array) return *start + at + offsetof(Elf64_Rela, r_addend);
  }
  return offset_of(image, *array);
}

std::optional<std::uint64_t> offset_of(const PatchedImage& image, std::uint64_t address) {
  for (const Elf64_Phdr& s : image.segments())
    if (s.p_type == PT_LOAD && address >= s.p_vaddr && address - s.p_vaddr < s.p_filesz)
      return s.p_offset + (address - s.p_vaddr);
  return std::nullopt;
}

std::optional<std::uint64_t> unexplained_change(const DynamicEntries& before,
                                                const DynamicEntries& after, std::uint32_t hook) {
  const auto& old = before.entries();
  const auto& now = after.entries();
  bool ended = false;
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (i >= now.size() || now[i].offset != old[i].offset) return old[i].offset;
    const auto [tag, value] = std::pair(now[i].value.d_tag, now[i].value.d_un.d_val);
    const auto [old_tag, old_value] = std::pair(old[i].value.d_tag, old[i].value.d_un.d_val);
    const bool new_entry = old_tag == DT_NULL && tag != DT_NULL && !ended;
    ended |= tag == DT_NULL;
    if (tag == old_tag && value == old_value) continue;
    const bool may_init = hook == PUNSTER_HOOK_INIT && tag == DT_INIT;
    const bool may_flag = tag == DT_FLAGS_1 && keeps_flags(new_entry ? 0 : old_value, value);
    if ((tag != old_tag && !new_entry) || (!may_init && !may_flag)) return old[i].offset;
  }
  return old.empty() || ended ? std::nullopt : std::optional(old.back().offset);
}

}  // namespace punster
