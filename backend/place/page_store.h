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
  std::uint64_t filler_pages = 0;     ///< pages with nothing of ours, mapped so that runs join
};

/// Bytes at signed link-time addresses. Trampoline pages are filled with CC where nothing was put.
class PageStore {
 public:
  /// Every byte may be put once: putting an address twice asserts.
  void put(std::int64_t address, std::span<const std::uint8_t> bytes);

  /// Joins runs of pages that lie at most `join_distance` apart with fillers, then lays runs over each
  /// other in the file where their used bytes are disjoint. No filler stands in one of `taken` (half-open
  /// ranges of signed addresses: the image, mapped files). O(p log p) for p pages.
  [[nodiscard]] SharedPages share(
      std::int64_t join_distance,
      std::span<const std::pair<std::int64_t, std::int64_t>> taken = {}) const;

  [[nodiscard]] std::size_t page_count() const { return pages_.size(); }

 private:
  struct Page {
    std::array<std::uint8_t, 4096> bytes;
    std::array<std::uint64_t, 64> used{};
    Page() { bytes.fill(0xcc); }
  };
  friend class PageSharing;
  std::unordered_map<std::int64_t, std::uint32_t> index_;
  std::vector<Page> pages_;
};

/// Appends overlays for the changed pages of a code region: `patched` replaces the file bytes that are
/// mapped at `address`. Unchanged pages between changed ones are copied, too, while they are at most
/// `join_distance`, because a mapping costs more than a page.
void append_overlays(const ElfView& input, Vaddr address, std::span<const std::uint8_t> original,
                     std::span<const std::uint8_t> patched, std::int64_t join_distance,
                     SharedPages& out);

}  // namespace punster
