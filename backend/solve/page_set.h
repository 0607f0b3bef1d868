// A set of page numbers from a fixed range, as bits with two levels of summary above them: member,
// insert, erase and "the next one from here on" cost a few instructions each, whatever the set
// holds.

#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace punster {

class PageSet {
 public:
  /// Numbers in [lo, lo + count) can be members.
  PageSet(std::int64_t lo, std::int64_t count) : lo_(lo), count_(count) {
    for (std::int64_t bits = count;; bits = (bits + 63) / 64) {
      levels_.emplace_back(static_cast<std::size_t>((bits + 63) / 64) + 1, 0);
      if (bits <= 64) break;
    }
  }

  [[nodiscard]] bool has(std::int64_t page) const {
    const std::int64_t at = page - lo_;
    return at >= 0 && at < count_ && (levels_[0][at >> 6] >> (at & 63) & 1) != 0;
  }
  /// Precondition: `page` is in the range.
  void insert(std::int64_t page) {
    std::int64_t at = page - lo_;
    for (auto& level : levels_) {
      level[at >> 6] |= std::uint64_t{1} << (at & 63);
      at >>= 6;
    }
  }
  /// All of [lo, hi), which are in the range; none when it is empty. A step takes 64 of them: four
  /// gigabytes one by one would be most of a small program's time.
  void insert(std::int64_t lo, std::int64_t hi) {
    if (lo >= hi) return;
    std::int64_t first = lo - lo_, last = hi - 1 - lo_;
    for (auto& level : levels_) {
      const auto begin = level.begin() + (first >> 6), end = level.begin() + (last >> 6);
      const std::uint64_t head = ~std::uint64_t{0} << (first & 63);
      const std::uint64_t tail = ~std::uint64_t{0} >> (63 - (last & 63));
      *begin |= begin == end ? head & tail : head;
      if (begin != end) {
        std::fill(begin + 1, end, ~std::uint64_t{0});
        *end |= tail;
      }
      first >>= 6;
      last >>= 6;
    }
  }
  void erase(std::int64_t page) {
    std::int64_t at = page - lo_;
    for (auto& level : levels_) {
      level[at >> 6] &= ~(std::uint64_t{1} << (at & 63));
      if (level[at >> 6] != 0) break;
      at >>= 6;
    }
  }
  /// The least member that is not below `page`, or `none`.
  [[nodiscard]] std::int64_t next(std::int64_t page) const {
    std::int64_t at = page < lo_ ? 0 : page - lo_;
    if (at >= count_) return none;
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      const auto& words = levels_[level];
      if (static_cast<std::size_t>(at >> 6) < words.size()) {
        const std::uint64_t rest = words[at >> 6] >> (at & 63);
        if (rest != 0) {
          at += std::countr_zero(rest);
          while (level-- > 0) at = (at << 6) + std::countr_zero(levels_[level][at]);
          return lo_ + at;
        }
      }
      at = (at >> 6) + 1;
    }
    return none;
  }
  /// The first number behind `page` that is no member. Precondition: `page` is one. A step takes 64
  /// members.
  [[nodiscard]] std::int64_t end_of_run(std::int64_t page) const {
    std::int64_t at = page - lo_;
    const auto& words = levels_[0];
    while (static_cast<std::size_t>(at >> 6) < words.size()) {
      const int ones = std::countr_one(words[at >> 6] >> (at & 63));
      at += ones;
      if (ones == 0 || (at & 63) != 0) break;
    }
    return lo_ + at;
  }
  static constexpr std::int64_t none = INT64_MAX;

 private:
  std::int64_t lo_, count_;
  std::vector<std::vector<std::uint64_t>> levels_;  // [0] has a bit per page
};

}  // namespace punster
