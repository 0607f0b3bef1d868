#include "frontend/verify/file_checks.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "protocol/hex.h"

namespace punster {
namespace {

/// Half-open ranges of file offsets that may differ.
class AllowedEdits {
 public:
  void allow(std::uint64_t offset, std::uint64_t size) { ranges_.emplace_back(offset, offset + size); }
  void sort() { std::sort(ranges_.begin(), ranges_.end()); }
  /// Calls `check(lo, hi)` for the parts of [0, end) that are in no range.
  template <typename Check>
  void for_each_fixed_part(std::uint64_t end, const Check& check) const {
    std::uint64_t at = 0;
    for (const auto& [lo, hi] : ranges_) {
      if (at < std::min(lo, end))
        check(at, std::min(lo, end));
      at = std::max(at, hi);
    }
    if (at < end)
      check(at, end);
  }

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;
};

template <typename T>
std::optional<T> value_at(std::span<const std::uint8_t> bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T))
    return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::optional<std::uint64_t> offset_of(const PatchedImage& image, std::uint64_t address) {
  for (const Elf64_Phdr& s : image.segments())
    if (s.p_type == PT_LOAD && address >= s.p_vaddr && address - s.p_vaddr < s.p_filesz)
      return s.p_offset + (address - s.p_vaddr);
  return std::nullopt;
}

struct DynamicEntry {
  Elf64_Dyn value{};
  std::uint64_t offset = 0;
};

/// All entries up to and including the first two DT_NULLs.
std::vector<DynamicEntry> dynamic_entries(const PatchedImage& image) {
  std::vector<DynamicEntry> entries;
  for (const Elf64_Phdr& segment : image.segments()) {
    if (segment.p_type != PT_DYNAMIC)
      continue;
    int nulls = 0;
    for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segment.p_filesz && nulls < 2;
         at += sizeof(Elf64_Dyn)) {
      const auto entry = value_at<Elf64_Dyn>(image.file(), segment.p_offset + at);
      if (!entry)
        break;
      nulls += entry->d_tag == DT_NULL;
      entries.push_back({*entry, segment.p_offset + at});
    }
  }
  return entries;
}

std::optional<std::uint64_t> dynamic_value(const std::vector<DynamicEntry>& entries, std::int64_t tag) {
  for (const DynamicEntry& entry : entries)
    if (entry.value.d_tag == tag)
      return entry.value.d_un.d_val;
  return std::nullopt;
}

constexpr std::uint64_t no_addend = ~0ull;

/// File offset of the addend that a relocation writes to `address`, or no_addend.
std::uint64_t addend_offset(const PatchedImage& image, const std::vector<DynamicEntry>& entries,
                            std::uint64_t address) {
  const auto table = dynamic_value(entries, DT_RELA);
  const auto size = dynamic_value(entries, DT_RELASZ);
  const auto start = table ? offset_of(image, *table) : std::nullopt;
  if (!start || !size)
    return no_addend;
  for (std::uint64_t at = 0; at + sizeof(Elf64_Rela) <= *size; at += sizeof(Elf64_Rela)) {
    const auto rela = value_at<Elf64_Rela>(image.file(), *start + at);
    if (!rela)
      break;
    if (rela->r_offset == address)
      return *start + at + offsetof(Elf64_Rela, r_addend);
  }
  return no_addend;
}

void allow_hook(const PatchedImage& original, const PunsterHeader& header, AllowedEdits& edits) {
  const auto entries = dynamic_entries(original);
  if (header.hook == PUNSTER_HOOK_INIT) {
    for (const DynamicEntry& entry : entries)
      if (entry.value.d_tag == DT_INIT)
        return edits.allow(entry.offset + offsetof(Elf64_Dyn, d_un), sizeof(std::uint64_t));
    // No DT_INIT yet: the first of two DT_NULLs may become one.
    for (const DynamicEntry& entry : entries)
      if (entry.value.d_tag == DT_NULL)
        return edits.allow(entry.offset, sizeof(Elf64_Dyn));
  }
  if (header.hook == PUNSTER_HOOK_INIT_ARRAY)
    if (const auto array = dynamic_value(entries, DT_INIT_ARRAY)) {
      if (const auto slot = offset_of(original, *array))
        edits.allow(*slot, sizeof(std::uint64_t));
      if (const auto addend = addend_offset(original, entries, *array); addend != no_addend)
        edits.allow(addend, sizeof(std::uint64_t));
    }
}

/// The description of the note `type` of "GNU" in the note segment, to be allowed.
void allow_notes(const PatchedImage& original, AllowedEdits& edits) {
  for (const Elf64_Phdr& segment : original.segments()) {
    if (segment.p_type != PT_NOTE && segment.p_type != PT_GNU_PROPERTY)
      continue;
    const std::uint64_t align = segment.p_align == 8 ? 8 : 4;
    const auto padded = [&](std::uint64_t size) { return (size + align - 1) & ~(align - 1); };
    for (std::uint64_t at = segment.p_offset; at < segment.p_offset + segment.p_filesz;) {
      const auto note = value_at<Elf64_Nhdr>(original.file(), at);
      if (!note)
        break;
      const auto description = at + sizeof(Elf64_Nhdr) + padded(note->n_namesz);
      if (note->n_namesz == 4 && (note->n_type == NT_GNU_BUILD_ID || note->n_type == NT_GNU_PROPERTY_TYPE_0))
        edits.allow(description, note->n_descsz);
      at = description + padded(note->n_descsz);
    }
  }
}

/// The added executable segment that `address` lies in: where the runtime must be.
const Elf64_Phdr* added_code_at(const PatchedImage& original, const PatchedImage& patched,
                                std::uint64_t address) {
  for (const Elf64_Phdr& segment : patched.segments()) {
    const bool added = std::none_of(
        original.segments().begin(), original.segments().end(),
        [&](const Elf64_Phdr& other) { return std::memcmp(&other, &segment, sizeof other) == 0; });
    if (added && segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 &&
        address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
      return &segment;
  }
  return nullptr;
}

/// Whether the runtime in `segment` was told where its tables and its state are.
bool is_configured(const PatchedImage& patched, const Elf64_Phdr& segment) {
  for (std::uint64_t at = 0; at + sizeof(PunsterConfig) <= segment.p_filesz; at += 8) {
    const auto config = value_at<PunsterConfig>(patched.file(), segment.p_offset + at);
    if (!config || config->config_address != segment.p_vaddr + at ||
        config->header_address != patched.header()->header_address)
      continue;
    return std::any_of(patched.segments().begin(), patched.segments().end(), [&](const Elf64_Phdr& s) {
      return s.p_type == PT_LOAD && s.p_flags == (PF_R | PF_W) && s.p_vaddr <= config->state_address &&
             config->state_bytes <= s.p_memsz &&
             config->state_address - s.p_vaddr <= s.p_memsz - config->state_bytes;
    });
  }
  return false;
}

}  // namespace

void check_original_bytes(const PatchedImage& original, const PatchedImage& patched, FailureLog& log) {
  const auto before = original.file(), after = patched.file();
  if (after.size() < before.size()) {
    log.add("original_bytes_changed", "the patched file is shorter than the original");
    return;
  }
  const Elf64_Ehdr& elf = original.elf_header();
  AllowedEdits edits;
  edits.allow(offsetof(Elf64_Ehdr, e_entry), 3 * sizeof(std::uint64_t));  // e_entry, e_phoff, e_shoff
  edits.allow(offsetof(Elf64_Ehdr, e_phnum), sizeof elf.e_phnum);
  edits.allow(offsetof(Elf64_Ehdr, e_shnum), sizeof elf.e_shnum + sizeof elf.e_shstrndx);
  edits.allow(elf.e_phoff, std::uint64_t{elf.e_phnum} * sizeof(Elf64_Phdr));
  if (patched.header() != nullptr) {
    allow_hook(original, *patched.header(), edits);
    allow_notes(original, edits);
  }
  edits.sort();
  edits.for_each_fixed_part(before.size(), [&](std::uint64_t lo, std::uint64_t hi) {
    constexpr std::uint64_t stride = 4096;
    for (; lo < hi; lo += std::min(stride, hi - lo)) {
      const auto end = std::min(lo + stride, hi);
      if (std::memcmp(before.data() + lo, after.data() + lo, end - lo) == 0)
        continue;
      const auto differs = std::mismatch(before.begin() + lo, before.begin() + end, after.begin() + lo);
      log.add("original_bytes_changed",
              "the byte at file offset " +
                  to_hex(FileOffset{static_cast<std::uint64_t>(differs.first - before.begin())}) +
                  " was changed from " + to_hex(std::span(&*differs.first, 1)) + " to " +
                  to_hex(std::span(&*differs.second, 1)));
    }
  });
}

void check_hook(const PatchedImage& original, const PatchedImage& patched, FailureLog& log) {
  if (patched.header() == nullptr)
    return;
  const PunsterHeader& header = *patched.header();
  const auto before = dynamic_entries(original), after = dynamic_entries(patched);
  const auto entry = original.elf_header().e_entry;
  std::optional<std::uint64_t> hook, kept;
  switch (header.hook) {
    case PUNSTER_HOOK_ENTRY:
      hook = patched.elf_header().e_entry;
      kept = entry;
      break;
    case PUNSTER_HOOK_INIT:
      hook = dynamic_value(after, DT_INIT);
      kept = dynamic_value(before, DT_INIT).value_or(0);
      break;
    case PUNSTER_HOOK_INIT_ARRAY: {
      const auto array = dynamic_value(before, DT_INIT_ARRAY);
      const auto slot = array ? offset_of(original, *array) : std::nullopt;
      if (!slot)
        break;
      // The relocation's addend is what counts; where RELR does it, or nobody, the word itself.
      const auto addend = addend_offset(original, before, *array);
      const auto where = addend != no_addend ? addend : *slot;
      hook = value_at<std::uint64_t>(patched.file(), where);
      kept = value_at<std::uint64_t>(original.file(), where);
      break;
    }
    default:
      break;
  }
  if (!hook) {
    log.add("hook", "nothing enters the runtime at start (hook " + std::to_string(header.hook) + ")");
    return;
  }
  const Elf64_Phdr* runtime = added_code_at(original, patched, *hook);
  if (runtime == nullptr)
    log.add(Vaddr{*hook}, "hook", "the hook leads to " + to_hex(Vaddr{*hook}) + ", where no runtime is");
  else if (!is_configured(patched, *runtime))
    log.add(Vaddr{*hook}, "hook", "the runtime at " + to_hex(Vaddr{*hook}) +
                                      " does not know these tables, or has no writable state");
  if (kept != header.original_entry)
    log.add(Vaddr{header.original_entry}, "hook",
            "the runtime goes on at " + to_hex(Vaddr{header.original_entry}) + " instead of " +
                to_hex(Vaddr{kept.value_or(0)}));
  if (header.hook != PUNSTER_HOOK_ENTRY && patched.elf_header().e_entry != entry)
    log.add(Vaddr{patched.elf_header().e_entry}, "hook", "the entry point changed");
}

}  // namespace punster
