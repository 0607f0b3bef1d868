#include "backend/solve/target_pages.h"

#include <algorithm>
#include <cassert>

namespace punster {
namespace {

std::int64_t first_page(const AddressSpace& space) {
  if (space.free.empty()) return 0;
  const std::int64_t page = space.free.front().lo >> 12;
  return page - ring_page(page, space.ring_pages);
}

std::int64_t page_range(const AddressSpace& space) {
  return space.free.empty() ? 1 : ((space.free.back().hi + 4095) >> 12) - first_page(space) + 1;
}

}  // namespace

TargetPages::TargetPages(const AddressSpace& space)
    : grain_(space.stub_grain),
      free_(space.free),
      first_(first_page(space)),
      count_(page_range(space)),
      legal_(first_, count_),
      open_(first_, count_),
      gatherings_(first_, count_),
      arena_pages_(space.arena_pages > 0 ? space.arena_pages : space.ring_pages),
      arena_inverse_(UINT64_MAX / static_cast<std::uint64_t>(arena_pages_) + 1),
      arenas_(0, count_ / arena_pages_ + 1),
      roomy_(first_, count_),
      ring_inverse_(UINT64_MAX / space.ring_pages + 1),
      ring_(space.ring_pages),
      settled_(static_cast<std::size_t>(count_)),
      open_in_turn_(static_cast<std::size_t>(count_ / arena_pages_) + 1),
      most_arenas_(std::max(space.arenas, space.most_arenas)),
      sparing_arenas_(space.arenas / 2) {
  if (!space.stubs) return;
  for (const auto& range : free_) {
    legal_.insert((range.lo + 4095) >> 12, range.hi >> 12);
    for (const auto& gathering : space.gatherings)
      gatherings_.insert((std::max(range.lo, gathering.lo) + 4095) >> 12,
                         std::min(range.hi, gathering.hi) >> 12);
  }
}

int TargetPages::free_run(const Page& page, int from, int to) {
  while (from < to) {
    const int word = from >> 6, bit = from & 63;
    std::uint64_t low = ~page.used[word] >> bit;
    if (bit != 0) low |= (word < 63 ? ~page.used[word + 1] : 0) << (64 - bit);
    // `low` holds the freedom of 64 bytes from `from` on; runs that begin in its first 60 are
    // decided.
    const std::uint64_t run = low & low >> 1 & low >> 2 & low >> 3 & low >> 4;
    if (run != 0) {
      const int at = from + std::countr_zero(run);
      return at < to ? at : -1;
    }
    from += 60;
  }
  return -1;
}

void TargetPages::settle(std::int64_t page) {
  if (settled_[page - first_]++ > 0) return;
  if (!gatherings_.has(page) && open_in_turn_[turn(page)]++ == 0) {
    ++arenas_open_;
    arenas_.insert(turn(page));
  }
  open_.insert(page);
  roomy_.insert(page);
}

void TargetPages::leave(std::int64_t page) {
  if (--settled_[page - first_] > 0) return;
  open_.erase(page);
  roomy_.erase(page);
  if (!gatherings_.has(page) && --open_in_turn_[turn(page)] == 0) {
    --arenas_open_;
    arenas_.erase(turn(page));
  }
}

void TargetPages::set_bits(std::int64_t target, bool used) {
  for (std::int64_t a = target; a < target + stub_size; ++a) {
    Page& page = ring(a >> 12);
    const int at = static_cast<int>(a & 4095);
    const std::uint64_t bit = std::uint64_t{1} << (at & 63);
    assert(((page.used[at >> 6] & bit) == 0) == used);
    page.used[at >> 6] ^= bit;
  }
}

void TargetPages::take(std::int64_t target) {
  settle(target >> 12);
  if ((target & 4095) > 4096 - stub_size) settle((target >> 12) + 1);
  set_bits(target, true);
  Page& page = ring(target >> 12);
  ++page.taken;
  if (page.taken >= 4096 / stub_size / 2) page.full = free_run(page, 0, 4092) < 0;
}

void TargetPages::release(std::int64_t target) {
  set_bits(target, false);
  Page& page = ring(target >> 12);
  --page.taken;
  page.full = false;
  roomy_.insert(target >> 12);
  leave(target >> 12);
  if ((target & 4095) > 4096 - stub_size) leave((target >> 12) + 1);
}

bool TargetPages::can_take(std::int64_t target, Opening opening) const {
  for (std::int64_t number = target >> 12; number <= (target + stub_size - 1) >> 12; ++number)
    if (!open_.has(number) && !may_open(number, opening)) return false;
  const Page& page = ring(target >> 12);
  const int at = static_cast<int>(target & 4095);
  if (at <= 4096 - stub_size) return is_free(page, at);
  const Page& next = ring((target >> 12) + 1);
  const int here = 4096 - at;
  return (page.used[63] >> (64 - here)) == 0 &&
         (next.used[0] & ((1u << (stub_size - here)) - 1)) == 0;
}

TargetPages::Starts TargetPages::free_starts(std::int64_t line, Opening opening) const {
  constexpr std::uint64_t none = ~std::uint64_t{0};
  const std::int64_t number = line >> 12;
  const auto at = static_cast<unsigned>(line & 4095);
  auto page_if_usable = [&](std::int64_t n) -> const Page* {
    return open_.has(n) || may_open(n, opening) ? &ring(n) : nullptr;
  };
  const Page* here = page_if_usable(number);
  const Page* next = at > 4096 - 256 - stub_size ? page_if_usable(number + 1) : nullptr;
  auto word = [&](unsigned index) {
    const Page* page = index < 64 ? here : next;
    return page ? page->used[index & 63] : none;
  };
  std::array<std::uint64_t, 5> free;
  for (unsigned j = 0; j < free.size(); ++j) {
    const unsigned index = (at >> 6) + j, shift = at & 63;
    std::uint64_t used = word(index) >> shift;
    if (shift != 0) used |= word(index + 1) << (64 - shift);
    free[j] = ~used;
  }
  Starts starts;
  for (unsigned j = 0; j < starts.size(); ++j) {
    starts[j] = free[j];
    for (unsigned byte = 1; byte < stub_size; ++byte)
      starts[j] &= free[j] >> byte | free[j + 1] << (64 - byte);
  }
  return starts;
}

bool TargetPages::may_hold(const Window& window, Opening opening) const {
  const std::int64_t first = window.lo() >> 12, last = (window.hi() - 1) >> 12;
  if (opening == Opening::none) return open_.next(first) <= last;
  const std::int64_t legal = legal_.next(first);
  if (legal > last) return false;
  return may_add_arena(opening) || gatherings_.next(first) <= last ||
         arenas_.next(turn(legal)) <= turn(std::min(last, first_ + count_ - 1));
}

bool TargetPages::any_in(std::int64_t lo, std::int64_t hi, Opening opening) const {
  for (std::int64_t number = lo >> 12; number <= (hi - 1) >> 12; ++number) {
    const std::int64_t base = number << 12;
    const auto from = static_cast<int>(std::max(lo, base) - base);
    const auto to = static_cast<int>(std::min(hi, base + 4092) - base);
    if (from < to && !ring(number).full && (open_.has(number) || may_open(number, opening)) &&
        free_run(ring(number), from, to) >= 0)
      return true;
  }
  return false;
}

ByteChoice TargetPages::stretches_with_pages(const Window& window) const {
  ByteChoice stretches;
  const std::int64_t last = (window.hi() - 1) >> 12;
  int found = 0;
  for (auto page = open_.next(window.lo() >> 12); page <= last && found < 12; ++found) {
    const std::int64_t stretch =
        std::min<std::int64_t>(((page << 12) + 4095 - window.lo()) >> 16, 255);
    stretches.add(static_cast<std::uint8_t>(stretch));
    page = open_.next((window.lo() + ((stretch + 1) << 16)) >> 12);
  }
  if (found == 0) stretches.add(0x10);
  return stretches;
}

std::optional<std::int64_t> TargetPages::page_of_open_arena(std::int64_t first,
                                                            std::int64_t last) const {
  first = std::max(first, first_);
  last = std::min(last, first_ + count_ - 1);
  if (first > last) return std::nullopt;
  const std::int64_t size = arena_pages_;
  const auto usable = [&](std::int64_t page) { return !open_.has(page) && legal(page); };
  for (auto t = arenas_.next(turn(first)); t <= turn(last); t = arenas_.next(t + 1)) {
    const std::int64_t lo = std::max(first, first_ + t * size);
    const std::int64_t hi = std::min(last, first_ + t * size + size - 1);
    // The lowest run of open pages grows: downwards, because sites come from high to low addresses
    // and their windows with them; else upwards.
    const std::int64_t page = open_.next(lo);
    const std::int64_t below = page > hi ? hi : page - 1;
    if (below >= lo && usable(below)) return below;
    if (page > hi) continue;
    const std::int64_t above = open_.end_of_run(page);
    if (above <= hi && usable(above)) return above;
  }
  return std::nullopt;
}

std::optional<std::int64_t> TargetPages::page_of_gathering(std::int64_t first,
                                                           std::int64_t last) const {
  for (auto page = gatherings_.next(first); page <= last;) {
    if (!open_.has(page)) return page;
    page = gatherings_.next(open_.end_of_run(page));
  }
  return std::nullopt;
}

std::optional<std::int64_t> TargetPages::page_to_open(const Window& window, Opening opening) const {
  if (opening == Opening::none) return std::nullopt;
  const std::int64_t first = (window.lo() + 4095) >> 12, last = (window.hi() >> 12) - 1;
  if (const auto page = page_of_gathering(first, last)) return page;
  if (const auto page = page_of_open_arena(first, last)) return page;
  if (!may_add_arena(opening)) return std::nullopt;
  std::optional<std::int64_t> nearest;
  for (const auto& range : free_) {
    const std::int64_t lo = std::max(first, (range.lo + 4095) >> 12);
    const std::int64_t hi = std::min(last, (range.hi >> 12) - 1);
    for (const std::int64_t page : {lo, hi})
      if (lo <= hi && !open_.has(page) && (!nearest || std::abs(page) < std::abs(*nearest)))
        nearest = page;
  }
  return nearest;
}

}  // namespace punster
