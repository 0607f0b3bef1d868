// The pages that stubs stand on.
//
// A stub is five bytes at an address that a pun can reach. All the solver ever asks is: in this
// window, on pages that are open already (or that would join an arena), where do five free bytes
// begin whose displacement has these low bytes? Pages are bitmaps, found through a hash of their
// number; the open pages that still have room are also kept in order, so that wide windows are
// searched by walking neighbours and never scan what is full.

#pragma once

#include <array>
#include <memory>
#include <set>
#include <unordered_map>

#include "backend/solve/solve.h"

namespace punster {

inline constexpr int stub_size = 5;

/// Whether a stub at `at` reaches `body`.
[[nodiscard]] inline bool stub_reaches(std::int64_t at, std::int64_t body) {
  return displacement(Vaddr{static_cast<std::uint64_t>(at + stub_size)},
                      Vaddr{static_cast<std::uint64_t>(body)})
      .has_value();
}

/// Which bytes of a displacement matter to somebody else: for each of the four bytes, whether it is to
/// lie in `wanted`. An empty demand accepts everything.
struct Demand {
  std::uint8_t bytes = 0;                  ///< bit j: byte j of rel32 is demanded
  const std::array<bool, 256>* wanted = nullptr;
  [[nodiscard]] bool on(int j) const { return bytes >> j & 1; }
  [[nodiscard]] bool accepts(std::int32_t rel) const {
    for (int j = 0; j < 4; ++j)
      if (on(j) && !(*wanted)[static_cast<std::uint32_t>(rel) >> (8 * j) & 0xff]) return false;
    return true;
  }
};

/// What a pun can reach: `free_bytes` low bytes of its rel32 are ours, the others are `high`.
struct Window {
  std::int64_t end = 0;   ///< the address behind rel32, from which it counts
  std::int32_t high = 0;  ///< the displacement with its free low bytes zero
  int free_bytes = 0;     ///< 0 to 4
  [[nodiscard]] std::int64_t lo() const {
    return free_bytes == 4 ? end + INT32_MIN : end + high;
  }
  [[nodiscard]] std::int64_t hi() const { return lo() + (std::int64_t{1} << (8 * free_bytes)); }
};

/// How far a search may go.
enum class Opening : std::uint8_t {
  none,      ///< open pages only
  adjoining, ///< also a new page within `arena_join_distance` of an open one
  anywhere,  ///< also a new page by itself: one more mapping
};

class TargetPages {
 public:
  explicit TargetPages(const AddressSpace& space);

  /// Calls `accept(target)` for free stub addresses in `window` that satisfy `demand`, best first,
  /// until it returns true or `limit` were refused. Returns whether one was accepted. The pages are
  /// not changed, except that a page may have been opened (empty) for the accepted address.
  template <typename Accept>
  bool search(const Window& window, const Demand& demand, Opening opening, int limit,
              Accept&& accept);

  /// Whether a stub may begin at `target`: all five bytes free, on open or openable pages.
  [[nodiscard]] bool can_take(std::int64_t target, Opening opening) const;
  void take(std::int64_t target);
  void release(std::int64_t target);

  /// Whether five free bytes begin somewhere in [lo, hi), on pages that `opening` allows.
  [[nodiscard]] bool any_in(std::int64_t lo, std::int64_t hi, Opening opening) const;

  [[nodiscard]] std::size_t open_count() const { return pages_.size(); }
  [[nodiscard]] std::uint64_t far_opened() const { return far_opened_; }

 private:
  struct Page {
    std::array<std::uint64_t, 64> used{};  // a bit per byte
    std::int32_t taken = 0;                // stubs that begin here
  };
  /// First start in [from, to) (offsets in the page) of five clear bits inside the page, or -1.
  static int free_run(const Page& page, int from, int to);
  static bool is_free(const Page& page, int at) {
    const int word = at >> 6, bit = at & 63;
    std::uint64_t bits = page.used[word] >> bit;
    if (bit > 59 && word < 63) bits |= page.used[word + 1] << (64 - bit);
    return (bits & 31) == 0;
  }
  [[nodiscard]] bool legal(std::int64_t page) const;
  [[nodiscard]] bool joins(std::int64_t page) const;
  [[nodiscard]] bool may_open(std::int64_t page, Opening opening) const {
    if (opening == Opening::none || !legal(page)) return false;
    return opening == Opening::anywhere || joins(page);
  }
  void set_bits(std::int64_t target, bool used);
  Page& open(std::int64_t page);
  [[nodiscard]] const Page* find(std::int64_t page) const {
    const auto it = pages_.find(page);
    return it == pages_.end() ? nullptr : it->second.get();
  }
  template <typename Accept>
  bool search_page(std::int64_t number, const Window& window, const Demand& demand, int& limit,
                   Accept& accept) const;
  /// Pages that hold displacements with the demanded bytes 1 and 2, at most 64, none twice in a row: for a
  /// byte that is not demanded, near the open pages of the window. Empty when the demand is too weak to
  /// single any out.
  [[nodiscard]] std::vector<std::int64_t> pages_of_demanded_lines(const Window& window,
                                                                  const Demand& demand) const;
  /// A page worth opening for `window`: one that joins an arena if there is one, else the one nearest
  /// to the image; nothing when `opening` forbids or nothing is legal.
  [[nodiscard]] std::optional<std::int64_t> page_to_open(const Window& window,
                                                         Opening opening) const;

  std::vector<TargetRange> free_;
  std::unordered_map<std::int64_t, std::unique_ptr<Page>> pages_;
  std::set<std::int64_t> order_;  // all open pages
  std::set<std::int64_t> roomy_;  // open pages with at least one stub's room, as far as known
  std::uint64_t far_opened_ = 0;
};

template <typename Accept>
bool TargetPages::search_page(std::int64_t number, const Window& window, const Demand& demand,
                              int& limit, Accept& accept) const {
  static const Page empty{};
  const Page* page = find(number);
  if (!page) page = &empty;
  const std::int64_t base = number << 12;
  const std::int64_t lo = std::max(base, window.lo());
  const std::int64_t hi = std::min(base + 4096 - stub_size + 1, window.hi());
  // Lines of 256 displacements share everything but the lowest byte.
  for (std::int64_t line = (lo - window.end) >> 8; window.end + (line << 8) < hi; ++line) {
    const auto rel = static_cast<std::int32_t>(static_cast<std::uint64_t>(line) << 8);
    const Demand upper{static_cast<std::uint8_t>(demand.bytes & ~1), demand.wanted};
    if (!upper.accepts(rel)) continue;
    const std::int64_t line_lo = std::max(lo, window.end + (line << 8));
    const std::int64_t line_hi = std::min(hi, window.end + (line << 8) + 256);
    if (demand.on(0)) {
      for (std::int64_t a = line_lo; a < line_hi; ++a) {
        if (!(*demand.wanted)[(a - window.end) & 0xff]) continue;
        if (!is_free(*page, static_cast<int>(a - base))) continue;
        if (accept(a)) return true;
        if (--limit <= 0) return false;
      }
    } else {
      for (int at = static_cast<int>(line_lo - base);;) {
        at = free_run(*page, at, static_cast<int>(line_hi - base));
        if (at < 0) break;
        if (accept(base + at)) return true;
        if (--limit <= 0) return false;
        at += 13;  // a refused neighbour is refused for much the same reason: look further on
        if (at >= line_hi - base) break;
      }
    }
  }
  return false;
}

template <typename Accept>
bool TargetPages::search(const Window& window, const Demand& demand, Opening opening, int limit,
                         Accept&& accept) {
  if (window.free_bytes == 0) return can_take(window.lo(), opening) && accept(window.lo());
  const std::int64_t first = window.lo() >> 12, last = (window.hi() - 1) >> 12;
  int walked = 0;
  for (auto it = roomy_.lower_bound(first); it != roomy_.end() && *it <= last && walked < 24;
       ++it, ++walked)
    if (search_page(*it, window, demand, limit, accept)) return true;
  if (opening == Opening::none || limit <= 0) return false;
  if (window.free_bytes == 3 && (demand.bytes & 6) != 0) {
    // Demands on the upper bytes single out lines of 256 addresses: go to them directly.
    for (const auto page : pages_of_demanded_lines(window, demand))
      if ((find(page) || may_open(page, opening)) &&
          search_page(page, window, demand, limit, accept))
        return true;
    return false;
  }
  if (window.free_bytes <= 2) {
    for (std::int64_t page = first; page <= last; ++page)
      if (!find(page) && may_open(page, opening) &&
          search_page(page, window, demand, limit, accept))
        return true;
    return false;
  }
  const auto page = page_to_open(window, opening);
  return page && search_page(*page, window, demand, limit, accept);
}

}  // namespace punster
