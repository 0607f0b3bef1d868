// The pages that stubs stand on.
//
// A stub is five bytes at an address that a pun can reach. All the solver ever asks is: in this
// window, on pages that are open already (or that would join an arena), where do five free bytes
// begin whose displacement has these low bytes? A free byte is one that no stub uses on the file
// page that is shown there: virtual pages share a ring of them (place/page_ring.h), each a bitmap.
// The virtual pages of one turn of the ring are one mapping, an arena, however few of them are
// used: what costs is the first page of a turn, and the address space says how many arenas there
// may be. Which pages are open, which of them have room, and which may be opened at all are sets
// with a fast "next from here", so wide windows are searched by walking neighbours and never scan
// what is full.
//
// A window falls into *lines*: 256 addresses whose displacements differ in the lowest byte only.
// Demands on the upper bytes single out lines, which are visited in the order of the demand's
// preference.

#pragma once

#include <array>

#include "backend/solve/demand.h"
#include "backend/solve/page_set.h"
#include "backend/solve/solve.h"

namespace punster {

/// Whether a stub at `at` reaches `body`.
[[nodiscard]] inline bool stub_reaches(std::int64_t at, std::int64_t body) {
  return displacement(Vaddr{static_cast<std::uint64_t>(at + stub_size)},
                      Vaddr{static_cast<std::uint64_t>(body)})
      .has_value();
}

/// What a pun can reach: `free_bytes` low bytes of its rel32 are ours, the others are `high`.
struct Window {
  std::int64_t end = 0;   ///< the address behind rel32, from which it counts
  std::int32_t high = 0;  ///< the displacement with its free low bytes zero
  int free_bytes = 0;     ///< 0 to 4
  [[nodiscard]] std::int64_t lo() const { return free_bytes == 4 ? end + INT32_MIN : end + high; }
  [[nodiscard]] std::int64_t hi() const { return lo() + (std::int64_t{1} << (8 * free_bytes)); }
  [[nodiscard]] bool contains(std::int64_t target) const { return lo() <= target && target < hi(); }
  [[nodiscard]] std::int32_t rel(std::int64_t target) const {
    return static_cast<std::int32_t>(target - end);
  }
  /// The part whose highest free byte is `value`.
  [[nodiscard]] Window with_high_byte(std::uint8_t value) const {
    const int j = free_bytes - 1;
    return {end,
            static_cast<std::int32_t>(static_cast<std::uint32_t>(high) |
                                      static_cast<std::uint32_t>(value) << (8 * j)),
            j};
  }
};

/// How far a search may go.
enum class Opening : std::uint8_t {
  none,       ///< open pages only
  adjoining,  ///< also a new page of an open arena
  sparing,    ///< also a new arena, while fewer than half of AddressSpace::arenas are open
  anywhere,   ///< also a new arena, while there is one left of AddressSpace::most_arenas
};

class TargetPages {
 public:
  explicit TargetPages(const AddressSpace& space);

  /// Calls `accept(target)` for free stub addresses in `window` that satisfy `demand`, best first,
  /// until it returns true or `limit` were refused (or 64 times as many lines were found
  /// taken). Returns whether one was accepted. A window with four free bytes is searched under the
  /// top bytes of demand.byte[3], which must not be null then.
  template <typename Accept>
  bool search(const Window& window, const Demand& demand, Opening opening, int limit,
              Accept&& accept) const {
    int budget = limit * refusal_cost;
    return search_part(window, demand, opening, budget, accept);
  }

  /// Whether a stub may begin at `target`: all five bytes free, on open or openable pages.
  [[nodiscard]] bool can_take(std::int64_t target, Opening opening) const;
  void take(std::int64_t target);
  void release(std::int64_t target);

  /// Whether five free bytes begin somewhere in [lo, hi), on pages that `opening` allows.
  [[nodiscard]] bool any_in(std::int64_t lo, std::int64_t hi, Opening opening) const;

  /// Whether the page may hold stubs at all.
  [[nodiscard]] bool legal(std::int64_t page) const { return legal_.has(page); }

  [[nodiscard]] std::uint64_t arenas_open() const { return arenas_open_; }

 private:
  static constexpr int refusal_cost = 512, line_cost = 8;
  struct Page {
    std::array<std::uint64_t, 64> used{};  // a bit per byte
    std::int32_t taken = 0;                // stubs that begin here
    bool full = false;                     // no stub fits any more
  };
  /// First start in [from, to) (offsets in the page) of five clear bits inside the page, or -1.
  static int free_run(const Page& page, int from, int to);
  static bool is_free(const Page& page, int at) {
    const int word = at >> 6, bit = at & 63;
    std::uint64_t bits = page.used[word] >> bit;
    if (bit > 59 && word < 63) bits |= page.used[word + 1] << (64 - bit);
    return (bits & 31) == 0;
  }
  /// Whether all of the grain from `at` on is free. Precondition: `at` is a multiple of it, which
  /// is more than 1.
  [[nodiscard]] bool is_roomy(const Page& page, int at) const {
    const int word = at >> 6, bit = at & 63;
    return (page.used[word] >> bit & ((std::uint64_t{1} << grain_) - 1)) == 0;
  }
  [[nodiscard]] bool is_roomy(std::int64_t target) const {
    return (target & (grain_ - 1)) == 0 &&
           is_roomy(ring(target >> 12), static_cast<int>(target & 4095));
  }
  [[nodiscard]] bool may_add_arena(Opening opening) const {
    return (opening == Opening::anywhere && arenas_open_ < most_arenas_) ||
           (opening == Opening::sparing && arenas_open_ < sparing_arenas_);
  }
  [[nodiscard]] bool may_open(std::int64_t page, Opening opening) const {
    if (opening == Opening::none || !legal(page)) return false;
    return gatherings_.has(page) || arenas_.has(turn(page)) || may_add_arena(opening);
  }
  void set_bits(std::int64_t target, bool used);
  void settle(std::int64_t page);
  void leave(std::int64_t page);
  /// (page - first_) % ring size, without a division: Lemire, Kaser, Kurz, "Faster remainder by
  /// direct computation", 2019.
  [[nodiscard]] std::uint32_t ring_index(std::int64_t page) const {
    const std::uint64_t fraction = ring_inverse_ * static_cast<std::uint32_t>(page - first_);
    return static_cast<std::uint32_t>((static_cast<unsigned __int128>(fraction) * ring_.size()) >>
                                      64);
  }
  /// The number of the arena that a page belongs to: (page - first_) / its size.
  [[nodiscard]] std::int64_t turn(std::int64_t page) const {
    const auto number = static_cast<std::uint32_t>(page - first_);
    return static_cast<std::int64_t>((static_cast<unsigned __int128>(arena_inverse_) * number) >>
                                     64);
  }
  [[nodiscard]] Page& ring(std::int64_t page) { return ring_[ring_index(page)]; }
  [[nodiscard]] const Page& ring(std::int64_t page) const { return ring_[ring_index(page)]; }
  /// False when no page of the window is open, nor may be opened.
  [[nodiscard]] bool may_hold(const Window& window, Opening opening) const;
  template <typename Accept>
  bool search_part(const Window& window, const Demand& demand, Opening opening, int& budget,
                   Accept& accept) const;
  template <typename Accept>
  bool search_line(const Window& line, const Demand& demand, Opening opening, int& budget,
                   Accept& accept) const;
  /// The starts in the line of 256 from `line` on that are free and whose low byte is chosen.
  template <typename Accept>
  bool search_starts(std::int64_t line, const TargetRange& within, const ByteChoice& choice,
                     Opening opening, int& budget, Accept& accept) const;
  /// Bit v: can_take(line + v, opening). Takes hardly longer than one of them.
  using Starts = std::array<std::uint64_t, 4>;
  [[nodiscard]] Starts free_starts(std::int64_t line, Opening opening) const;
  /// Without demands: pages with room in order, then one worth opening.
  template <typename Accept>
  bool search_pages(const Window& window, const ByteChoice* low, Opening opening, int& budget,
                    Accept& accept) const;
  template <typename Accept>
  bool search_stretch(std::int64_t page, std::int64_t lo, std::int64_t hi, int& budget,
                      Accept& accept) const;
  /// Values for the highest free byte of `window` (three free) under which pages are open, at
  /// most 12.
  [[nodiscard]] ByteChoice stretches_with_pages(const Window& window) const;
  /// A page worth opening for `window`: one of an open arena if there is one, else the one nearest
  /// to the image; nothing when `opening` forbids or nothing is legal.
  [[nodiscard]] std::optional<std::int64_t> page_to_open(const Window& window,
                                                         Opening opening) const;
  [[nodiscard]] std::optional<std::int64_t> page_of_open_arena(std::int64_t first,
                                                               std::int64_t last) const;
  [[nodiscard]] std::optional<std::int64_t> page_of_gathering(std::int64_t first,
                                                              std::int64_t last) const;

  int grain_;  // AddressSpace::stub_grain
  std::vector<TargetRange> free_;
  std::int64_t first_, count_;  // page numbers; the first is a multiple of the ring's size
  PageSet legal_, open_;
  PageSet gatherings_;  // legal pages that cost no arena
  std::int64_t arena_pages_;
  std::uint64_t arena_inverse_;  // 2^64 over arena_pages_, rounded up
  PageSet arenas_;               // with open pages outside of gatherings
  mutable PageSet roomy_;        // open pages, without those found full
  std::uint64_t ring_inverse_;   // 2^64 over the ring's size, rounded up
  std::vector<Page> ring_;
  std::vector<std::uint16_t> settled_;       // stubs that touch a page, by page number
  std::vector<std::uint32_t> open_in_turn_;  // pages outside of gatherings, by arena
  std::uint64_t most_arenas_, sparing_arenas_, arenas_open_ = 0;
};

template <typename Accept>
bool TargetPages::search_stretch(std::int64_t number, std::int64_t lo, std::int64_t hi, int& budget,
                                 Accept& accept) const {
  const Page& page = ring(number);
  const std::int64_t base = number << 12;
  const auto to = static_cast<int>(std::min(hi, base + 4096 - stub_size + 1) - base);
  if (grain_ > 1)
    for (auto at = (static_cast<int>(std::max(lo, base) - base) + grain_ - 1) & -grain_; at < to;
         at += grain_) {
      if (!is_roomy(page, at)) continue;
      if (accept(base + at)) return true;
      if ((budget -= refusal_cost) <= 0) return false;
    }
  for (auto at = static_cast<int>(std::max(lo, base) - base); at < to; at += 13) {
    at = free_run(page, at, to);
    if (at < 0) return false;
    if (accept(base + at)) return true;
    if ((budget -= refusal_cost) <= 0) return false;
    // A refused neighbour is refused for much the same reason: look further on.
  }
  return false;
}

template <typename Accept>
bool TargetPages::search_starts(std::int64_t line, const TargetRange& within,
                                const ByteChoice& choice, Opening opening, int& budget,
                                Accept& accept) const {
  Starts starts = free_starts(line, opening);
  for (int word = 0; word < 4; ++word) starts[word] &= choice.bits()[word];
  if ((budget -= line_cost) <= 0) return false;
  if ((starts[0] | starts[1] | starts[2] | starts[3]) == 0) return false;
  const auto visit = [&](bool roomy) {
    for (const std::uint8_t value : choice) {
      if ((starts[value >> 6] >> (value & 63) & 1) == 0) continue;
      if (roomy && !is_roomy(line + value)) continue;
      if (line + value < within.lo || line + value >= within.hi) continue;
      if (accept(line + value)) return true;
      if ((budget -= refusal_cost) <= 0) return false;
    }
    return false;
  };
  return (grain_ > 1 && visit(true)) || (budget > 0 && visit(false));
}

template <typename Accept>
bool TargetPages::search_line(const Window& line, const Demand& demand, Opening opening,
                              int& budget, Accept& accept) const {
  const std::int64_t lo = line.lo();
  if (demand.byte[0])
    return search_starts(lo, {lo, lo + 256}, *demand.byte[0], opening, budget, accept);
  for (std::int64_t page = lo >> 12; page <= (lo + 255) >> 12 && budget > 0; ++page)
    if (!ring(page).full && (open_.has(page) || may_open(page, opening)) &&
        search_stretch(page, lo, lo + 256, budget, accept))
      return true;
  return false;
}

template <typename Accept>
bool TargetPages::search_pages(const Window& window, const ByteChoice* low, Opening opening,
                               int& budget, Accept& accept) const {
  const std::int64_t lo = window.lo(), hi = window.hi();
  auto on_page = [&](std::int64_t page) {
    if (!low) return search_stretch(page, lo, hi, budget, accept);
    const std::int64_t from = std::max(lo, page << 12), to = std::min(hi, (page + 1) << 12);
    for (std::int64_t line = lo + ((from - lo) & ~std::int64_t{255}); line < to && budget > 0;
         line += 256)
      if (search_starts(line, {from, to}, *low, opening, budget, accept)) return true;
    return false;
  };
  const std::int64_t last = (hi - 1) >> 12;
  int walked = 0;
  for (auto page = roomy_.next(lo >> 12); page <= last && walked < 24;
       page = roomy_.next(page + 1)) {
    if (ring(page).full) {
      roomy_.erase(page);
      continue;
    }
    ++walked;
    if (on_page(page)) return true;
    if (budget <= 0) return false;
  }
  if (opening == Opening::none) return false;
  const auto page = page_to_open(window, opening);
  return page && on_page(*page);
}

template <typename Accept>
bool TargetPages::search_part(const Window& window, const Demand& demand, Opening opening,
                              int& budget, Accept& accept) const {
  const int free = window.free_bytes;
  if (--budget <= 0 || !may_hold(window, opening)) return false;
  if (free == 0)
    return can_take(window.lo(), opening) &&
           (accept(window.lo()) || (budget -= refusal_cost, false));
  if (free == 1) return search_line(window, demand, opening, budget, accept);
  auto each = [&](const ByteChoice& choice) {
    for (const std::uint8_t value : choice) {
      if (search_part(window.with_high_byte(value), demand, opening, budget, accept)) return true;
      if (budget <= 0) return false;
    }
    return false;
  };
  if (demand.byte[free - 1]) return each(*demand.byte[free - 1]);
  if (free == 3 && demand.byte[1]) return each(stretches_with_pages(window));
  return search_pages(window, demand.byte[0], opening, budget, accept);
}

}  // namespace punster
