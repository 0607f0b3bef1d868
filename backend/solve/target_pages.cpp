#include "backend/solve/target_pages.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace punster {

TargetPages::TargetPages(const AddressSpace& space) : free_(space.free) {}

bool TargetPages::legal(std::int64_t page) const {
  const std::int64_t lo = page << 12, hi = lo + 4096;
  for (const auto& range : free_)
    if (range.lo <= lo && hi <= range.hi) return true;
  return false;
}

bool TargetPages::joins(std::int64_t page) const {
  const auto above = order_.lower_bound(page - arena_join_distance);
  return above != order_.end() && *above <= page + arena_join_distance;
}

int TargetPages::free_run(const Page& page, int from, int to) {
  while (from < to) {
    const int word = from >> 6, bit = from & 63;
    std::uint64_t low = ~page.used[word] >> bit;
    if (bit != 0) low |= (word < 63 ? ~page.used[word + 1] : 0) << (64 - bit);
    // `low` holds the freedom of 64 bytes from `from` on; runs that begin in its first 60 are decided.
    const std::uint64_t run = low & low >> 1 & low >> 2 & low >> 3 & low >> 4;
    if (run != 0) {
      const int at = from + std::countr_zero(run);
      return at < to ? at : -1;
    }
    from += 60;
  }
  return -1;
}

TargetPages::Page& TargetPages::open(std::int64_t number) {
  auto& slot = pages_[number];
  if (!slot) {
    if (!joins(number)) ++far_opened_;
    slot = std::make_unique<Page>();
    order_.insert(number);
    roomy_.insert(number);
  }
  return *slot;
}

void TargetPages::set_bits(std::int64_t target, bool used) {
  for (std::int64_t a = target; a < target + stub_size; ++a) {
    Page& page = open(a >> 12);
    const int at = static_cast<int>(a & 4095);
    const std::uint64_t bit = std::uint64_t{1} << (at & 63);
    assert(((page.used[at >> 6] & bit) == 0) == used);
    page.used[at >> 6] ^= bit;
  }
}

void TargetPages::take(std::int64_t target) {
  set_bits(target, true);
  const std::int64_t number = target >> 12;
  Page& page = open(number);
  ++page.taken;
  if (page.taken >= 4096 / stub_size / 2 && free_run(page, 0, 4092) < 0) roomy_.erase(number);
}

void TargetPages::release(std::int64_t target) {
  set_bits(target, false);
  Page& page = open(target >> 12);
  --page.taken;
  roomy_.insert(target >> 12);
}

bool TargetPages::can_take(std::int64_t target, Opening opening) const {
  for (std::int64_t number = target >> 12; number <= (target + stub_size - 1) >> 12; ++number) {
    const Page* page = find(number);
    if (!page) {
      if (!may_open(number, opening)) return false;
      continue;
    }
    const std::int64_t base = number << 12;
    for (std::int64_t a = std::max(base, target); a < std::min(base + 4096, target + stub_size); ++a)
      if (page->used[(a - base) >> 6] >> ((a - base) & 63) & 1) return false;
  }
  return true;
}

bool TargetPages::any_in(std::int64_t lo, std::int64_t hi, Opening opening) const {
  for (std::int64_t number = lo >> 12; number <= (hi - 1) >> 12; ++number) {
    const std::int64_t base = number << 12;
    const auto from = static_cast<int>(std::max(lo, base) - base);
    const auto to = static_cast<int>(std::min(hi, base + 4092) - base);
    if (from >= to) continue;
    if (const Page* page = find(number)) {
      if (free_run(*page, from, to) >= 0) return true;
    } else if (may_open(number, opening)) {
      return true;
    }
  }
  return false;
}

std::vector<std::int64_t> TargetPages::pages_of_demanded_lines(const Window& window,
                                                               const Demand& demand) const {
  std::vector<int> wanted;
  for (int value = 0; value < 256 && wanted.size() <= 8; ++value)
    if ((*demand.wanted)[value]) wanted.push_back(value);
  std::vector<std::int64_t> pages;
  if (wanted.size() > 8) return pages;
  std::vector<int> thirds;  // values for byte 2
  if (demand.on(2)) {
    thirds = wanted;
  } else {
    const std::int64_t first = window.lo() >> 12, last = (window.hi() - 1) >> 12;
    for (auto it = order_.lower_bound(first); it != order_.end() && *it <= last && thirds.size() < 12;) {
      thirds.push_back(static_cast<int>(((*it << 12) + 4095 - window.lo()) >> 16 & 0xff));
      it = order_.lower_bound(*it + 16);
    }
    if (thirds.empty()) thirds.push_back(0x10);
  }
  for (const int third : thirds)
    for (int second = 0; second < 256 && pages.size() < 64; ++second) {
      if (demand.on(1) ? !(*demand.wanted)[second] : (second & 15) != 0) continue;
      const std::int64_t lo = window.lo() + (third << 16) + (second << 8);
      for (const std::int64_t page : {lo >> 12, (lo + 255) >> 12})
        if (pages.empty() || pages.back() != page) pages.push_back(page);
    }
  return pages;
}

std::optional<std::int64_t> TargetPages::page_to_open(const Window& window,
                                                      Opening opening) const {
  if (opening == Opening::none) return std::nullopt;
  const std::int64_t first = (window.lo() + 4095) >> 12, last = (window.hi() >> 12) - 1;
  auto usable = [&](std::int64_t page) {
    return page >= first && page <= last && !find(page) && legal(page);
  };
  // The lowest run of open pages in the window grows: downwards, because sites come from high to low
  // addresses and their windows with them; else upwards.
  auto it = order_.lower_bound(first);
  if (it != order_.end() && *it <= last) {
    if (usable(*it - 1)) return *it - 1;
    std::int64_t page = *it;
    while (++it != order_.end() && *it == page + 1) ++page;
    if (usable(page + 1)) return page + 1;
  }
  if (opening != Opening::anywhere) return std::nullopt;
  std::optional<std::int64_t> nearest;
  for (const auto& range : free_) {
    const std::int64_t lo = std::max(first, (range.lo + 4095) >> 12);
    const std::int64_t hi = std::min(last, (range.hi >> 12) - 1);
    for (const std::int64_t page : {lo, hi})
      if (lo <= hi && !find(page) && (!nearest || std::abs(page) < std::abs(*nearest)))
        nearest = page;
  }
  return nearest;
}

}  // namespace punster
