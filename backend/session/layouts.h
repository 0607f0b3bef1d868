// How new memory gets into the process: by program headers, or by the runtime at start.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backend/emit/emit.h"
#include "backend/place/page_store.h"
#include "backend/session/stub_bodies.h"
#include "backend/solve/solve.h"

namespace punster {

/// `automatic`: program headers where they suffice and the file gets no larger than when the
/// runtime maps trampolines; else the runtime.
enum class LayoutMode : std::uint8_t { automatic, headers, loader };
[[nodiscard]] std::optional<LayoutMode> parse_layout_mode(std::string_view name);

struct LayoutOptions {
  LayoutMode mode = LayoutMode::automatic;
  unsigned most_headers = 0;  ///< in all; 0: what every kernel and ld.so can bear
  bool share_pages = false;   ///< program headers may show the same pages of the file
  friend bool operator==(const LayoutOptions&, const LayoutOptions&) = default;
};

/// Everything that becomes new memory, before it is decided how it is mapped.
class NewMemory {
 public:
  /// `dense`: what stands on pages of its own anyway, bodies and data. `taken_by...`: where no
  /// filler between pages of either kind may stand. All that is referred to outlives it.
  NewMemory(const PageStore& dense, const Solution& solution, const StubBodies& bodies,
            std::uint32_t ring_pages, TakenRanges taken_by_dense, TakenRanges taken_by_stubs);

  // Errors of both: "out_of_range".
  /// Stubs on the ring of file pages that they share.
  [[nodiscard]] Result<SharedPages> with_shared_pages() const;
  /// Each page with stubs, and each filler, a page of the file.
  [[nodiscard]] Result<SharedPages> with_own_pages(std::int64_t join_distance) const;

  /// Runs of pages, and pages of the file, that with_own_pages() will have.
  struct Extent {
    std::size_t runs = 0;
    std::uint64_t pages = 0;
  };
  [[nodiscard]] Extent extent(std::int64_t join_distance) const;
  [[nodiscard]] std::uint32_t ring_pages() const { return ring_pages_; }
  [[nodiscard]] std::uint64_t dense_pages() const { return dense_pages_.size(); }
  /// Its number, signed; nothing when there are no pages.
  [[nodiscard]] std::optional<std::int64_t> lowest_page() const;

 private:
  template <typename Stubs, typename Append>
  Result<SharedPages> with(Stubs stubs, const Append& append) const;

  const PageStore& dense_;
  const Solution& solution_;
  const StubBodies& bodies_;
  std::uint32_t ring_pages_;
  TakenRanges taken_by_dense_, taken_by_stubs_;
  std::vector<std::int64_t> dense_pages_, stub_pages_;  // numbers, ascending
};

struct ChosenLayout {
  SharedPages pages;
  Layout layout = Layout::loader;
  std::string reason;
};

/// `most_runs`: that program headers can map besides everything else. `obstacle`: why they cannot
/// be used whatever the pages are; empty: there is none. Errors: "layout", when the mode insists on
/// program headers and they do not suffice.
Result<ChosenLayout> choose_layout(const LayoutOptions& options, const NewMemory& memory,
                                   std::size_t most_runs, std::string obstacle);

}  // namespace punster
