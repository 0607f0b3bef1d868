// The contents of all new memory, page by page, and its way into few file pages and few mappings.

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backend/emit/emit.h"

namespace punster {

/// Physical pages and where they are mapped; see EmitPlan for both.
struct SharedPages {
  std::vector<std::uint8_t> pages;
  std::vector<PageMapping> mappings;  ///< ascending by *signed* address, disjoint
  std::uint64_t virtual_pages = 0;    ///< mapped pages, fillers included
};

/// Half-open ranges of signed addresses where no filler may stand: the image, mapped files.
using TakenRanges = std::span<const std::pair<std::int64_t, std::int64_t>>;

/// A run of pages that are mapped together, by page number, inclusive.
struct PageRun {
  std::int64_t first, last;
};

/// Joins pages that lie at most `join_distance` apart, with fillers between them. `numbers` ascend.
[[nodiscard]] std::vector<PageRun> join_pages(std::span<const std::int64_t> numbers,
                                              std::int64_t join_distance, TakenRanges taken);

/// Bytes at signed link-time addresses, for what stands densely: bodies and data. Bytes of
/// trampoline pages where nothing was put are CC.
class PageStore {
 public:
  /// Every byte may be put once: putting an address twice asserts.
  void put(std::int64_t address, std::span<const std::uint8_t> bytes);

  /// Each page, and each filler, becomes a page of the file. O(p log p) for p pages.
  void append_to(SharedPages& out, std::int64_t join_distance, TakenRanges taken = {}) const;

  [[nodiscard]] std::size_t page_count() const { return pages_.size(); }
  /// Of the pages where anything was put; ascending.
  [[nodiscard]] std::vector<std::int64_t> page_numbers() const;

 private:
  struct Page {
    std::array<std::uint8_t, 4096> bytes;
    std::array<std::uint64_t, 64> used{};
    Page() { bytes.fill(0xcc); }
  };
  std::unordered_map<std::int64_t, std::uint32_t> index_;
  std::vector<Page> pages_;
};

/// Appends overlays for the changed pages of a code region: `patched` replaces the file bytes that
/// are mapped at `address`. Unchanged pages between changed ones are copied, too, while they are at
/// most `join_distance`, because a mapping costs more than a page.
void append_overlays(const ElfView& input, Vaddr address, std::span<const std::uint8_t> original,
                     std::span<const std::uint8_t> patched, std::int64_t join_distance,
                     SharedPages& out);

}  // namespace punster
