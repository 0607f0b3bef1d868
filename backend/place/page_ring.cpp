#include "backend/place/page_ring.h"

#include <algorithm>
#include <cassert>

#include "backend/solve/solve.h"

namespace punster {

namespace {

/// Where stubs gather: the top byte of the displacements that lead there, and the share of all
/// stubs.
struct Gathering {
  int top;
  double share;
};
// Shares on both sides as counted in git; those on one side are a guess.
constexpr Gathering both_sides[] = {{0, 0.45}, {-2, 0.34}, {-23, 0.11}, {46, 0.03}, {1, 0.03}};
constexpr Gathering one_side[] = {{0, 0.5}, {1, 0.25}, {46, 0.2}};

/// The sum over the ring of the squared density of stubs: least when they are spread evenly.
double crowding(std::uint32_t size, std::uint32_t code_pages,
                std::span<const Gathering> gatherings) {
  std::vector<double> step(size + 1);  // changes of density
  double base = 0;
  for (const auto& arena : gatherings) {
    const double density = arena.share / code_pages;
    base += density * (code_pages / size);
    const std::uint32_t first = ring_page(std::int64_t{arena.top} << 12, size);
    const std::uint32_t rest = code_pages % size;
    step[first] += density;
    if (first + rest <= size) {
      step[first + rest] -= density;
    } else {
      step[0] += density;
      step[first + rest - size] -= density;
    }
  }
  double sum = 0, density = base;
  for (std::uint32_t page = 0; page < size; ++page) {
    density += step[page];
    sum += density * density;
  }
  return sum * size;
}

}  // namespace

std::uint32_t ring_size(std::uint32_t least, std::uint32_t code_pages, bool two_sided) {
  const std::span<const Gathering> gatherings =
      two_sided ? std::span<const Gathering>(both_sides) : std::span<const Gathering>(one_side);
  std::uint32_t best = least;
  double best_crowding = crowding(least, code_pages, gatherings);
  const std::uint32_t step = std::max(1u, least / 128);
  for (std::uint32_t size = least + step; size <= least + least / 4; size += step)
    if (const double each = crowding(size, code_pages, gatherings); each < best_crowding * 0.99) {
      best = size;
      best_crowding = each;
    }
  return best;
}

PageRing::PageRing(std::uint32_t size)
    : size_(size), bytes_(std::size_t{size} * 4096, 0xcc), used_(std::size_t{size} * 4096) {}

void PageRing::put(std::int64_t address, std::span<const std::uint8_t> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::int64_t a = address + static_cast<std::int64_t>(i), number = a >> 12;
    const std::size_t at =
        std::size_t{ring_page(number, size_)} * 4096 + static_cast<std::size_t>(a & 4095);
    assert(!used_[at]);
    used_[at] = true;
    bytes_[at] = bytes[i];
    if (numbers_.empty() || numbers_.back() != number) numbers_.push_back(number);
  }
}

/// One run of virtual pages for each turn of the ring that is used, and more only where something
/// else lies between.
std::vector<PageRun> PageRing::arenas(TakenRanges taken) const {
  std::vector<std::int64_t> numbers = numbers_;
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::vector<PageRun> runs;
  for (auto from = numbers.begin(); from != numbers.end();) {
    const auto to = std::lower_bound(from, numbers.end(), *from - ring_page(*from, size_) + size_);
    const auto of_turn = join_pages({from, to}, size_, taken);
    runs.insert(runs.end(), of_turn.begin(), of_turn.end());
    from = to;
  }
  return runs;
}

void PageRing::append_to(SharedPages& out, TakenRanges taken) const {
  const auto runs = arenas(taken);
  std::vector<bool> mapped(size_);
  for (const auto& run : runs)
    for (std::int64_t number = run.first; number <= run.last; ++number)
      mapped[ring_page(number, size_)] = true;
  std::vector<std::uint32_t> place(size_);
  for (std::uint32_t page = 0; page < size_; ++page) {
    if (!mapped[page]) continue;
    place[page] = static_cast<std::uint32_t>(out.pages.size() / 4096);
    const auto from = bytes_.begin() + std::ptrdiff_t{page} * 4096;
    out.pages.insert(out.pages.end(), from, from + 4096);
  }
  for (const auto& run : runs) {
    const auto count = static_cast<std::uint32_t>(run.last - run.first + 1);
    out.mappings.push_back({Vaddr{static_cast<std::uint64_t>(run.first) << 12}, count,
                            place[ring_page(run.first, size_)], false});
    out.virtual_pages += count;
  }
}

}  // namespace punster
