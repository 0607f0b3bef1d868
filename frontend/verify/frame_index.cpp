#include "frontend/verify/frame_index.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/hex.h"

namespace punster {
namespace {

struct IndexEntry {
  Vaddr first, frame;
  friend auto operator<=>(const IndexEntry&, const IndexEntry&) = default;
};

const Elf64_Phdr* index_segment(const PatchedImage& image) {
  for (const Elf64_Phdr& segment : image.segments())
    if (segment.p_type == PT_GNU_EH_FRAME) return &segment;
  return nullptr;
}

Vaddr at_distance(Vaddr from, std::int32_t distance) {
  return Vaddr{from.value + static_cast<std::uint64_t>(std::int64_t{distance})};
}

/// The entries, in their order; nothing when it has another form, or ends too early.
std::optional<std::vector<IndexEntry>> entries_of(const PatchedImage& image,
                                                  const Elf64_Phdr& segment) {
  constexpr std::size_t head = 12, entry_size = 8;
  constexpr std::array<std::uint8_t, 4> form = {1, 0x1b, 0x03, 0x3b};
  const auto file = image.file();
  if (segment.p_offset > file.size() || segment.p_filesz > file.size() - segment.p_offset ||
      segment.p_filesz < head)
    return std::nullopt;
  const auto bytes = file.subspan(segment.p_offset, segment.p_filesz);
  std::uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 8, sizeof count);
  if (!std::equal(form.begin(), form.end(), bytes.begin()) ||
      count > (bytes.size() - head) / entry_size)
    return std::nullopt;
  std::vector<IndexEntry> entries(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::array<std::int32_t, 2> distances{};
    std::memcpy(distances.data(), bytes.data() + head + i * entry_size, entry_size);
    entries[i] = {at_distance(Vaddr{segment.p_vaddr}, distances[0]),
                  at_distance(Vaddr{segment.p_vaddr}, distances[1])};
  }
  return entries;
}

bool in_memory_of(const PatchedImage& original, Vaddr lo, std::uint64_t size) {
  return std::any_of(
      original.segments().begin(), original.segments().end(), [&](const Elf64_Phdr& s) {
        const auto begin = page_floor(Vaddr{s.p_vaddr}).value;
        const auto end = page_ceil(Vaddr{s.p_vaddr + s.p_memsz}).value;
        // Wrapping, because what is below an image linked at 0 has high addresses.
        return s.p_type == PT_LOAD && (lo.value - begin < end - begin || begin - lo.value < size);
      });
}

/// What is wrong with an entry that the original has not; empty: nothing.
std::string fault_of(const IndexEntry& entry, const PatchedImage& original,
                     const PatchedImage& patched) {
  if (in_memory_of(original, entry.frame, 1)) return "stands among the original's rows";
  std::array<std::uint32_t, 4> words{};  // length, distance to the CIE, first address, size
  std::array<std::uint8_t, sizeof words> bytes{};
  if (patched.read(entry.frame, bytes) != bytes.size()) return "is not there";
  std::memcpy(words.data(), bytes.data(), sizeof words);
  const Vaddr place = entry.frame + Bytes{8};
  if (at_distance(place, static_cast<std::int32_t>(words[2])) != entry.first || words[1] == 0)
    return "is about another address";
  if (words[3] == 0 || in_memory_of(original, entry.first, words[3]))
    return "is about the original's memory";
  return "";
}

}  // namespace

bool is_moved_frame_index(const PatchedImage& original, const PatchedImage& patched,
                          const Elf64_Phdr& segment) {
  if (segment.p_type != PT_GNU_EH_FRAME || index_segment(original) == nullptr) return false;
  return std::any_of(
      patched.segments().begin(), patched.segments().end(), [&](const Elf64_Phdr& home) {
        return home.p_type == PT_LOAD && home.p_flags == PF_R && home.p_vaddr == segment.p_vaddr &&
               home.p_offset == segment.p_offset && segment.p_memsz == segment.p_filesz &&
               segment.p_filesz <= home.p_filesz &&
               !in_memory_of(original, Vaddr{home.p_vaddr}, home.p_memsz);
      });
}

void check_frame_index(const PatchedImage& original, const PatchedImage& patched, FailureLog& log) {
  const Elf64_Phdr *before = index_segment(original), *after = index_segment(patched);
  if (before == nullptr || after == nullptr || !is_moved_frame_index(original, patched, *after))
    return;
  const Vaddr at{after->p_vaddr};
  const auto old_entries = entries_of(original, *before);
  auto entries = entries_of(patched, *after);
  if (!old_entries || !entries)
    return log.add(at, "frame_index", "the index of unwind rows cannot be read");
  const auto distance = [&](const IndexEntry& e) {
    return static_cast<std::int64_t>(e.first.value - at.value);
  };
  if (!std::is_sorted(entries->begin(), entries->end(),
                      [&](const auto& a, const auto& b) { return distance(a) < distance(b); }))
    log.add(at, "frame_index", "the index of unwind rows does not ascend");
  std::sort(entries->begin(), entries->end());
  auto known = *old_entries;
  std::sort(known.begin(), known.end());
  for (const auto& entry : known)
    if (!std::binary_search(entries->begin(), entries->end(), entry))
      log.add(entry.first, "frame_index",
              "the original's unwind rows at " + to_hex(entry.first) + " are not in the index");
  for (const auto& entry : *entries)
    if (!std::binary_search(known.begin(), known.end(), entry))
      if (const auto fault = fault_of(entry, original, patched); !fault.empty())
        log.add(entry.first, "frame_index",
                "what the index of unwind rows has for " + to_hex(entry.first) + " " + fault);
}

}  // namespace punster
