#include "backend/place/page_store.h"

#include <algorithm>
#include <cassert>

namespace punster {

std::vector<PageRun> join_pages(std::span<const std::int64_t> numbers, std::int64_t join_distance,
                                TakenRanges taken) {
  auto is_taken = [&](std::int64_t lo, std::int64_t hi) {
    return std::any_of(taken.begin(), taken.end(),
                       [&](const auto& range) { return lo < range.second && range.first < hi; });
  };
  std::vector<PageRun> runs;
  for (const auto number : numbers) {
    if (!runs.empty() && number - runs.back().last <= std::max<std::int64_t>(join_distance, 1) &&
        (number == runs.back().last + 1 || !is_taken((runs.back().last + 1) << 12, number << 12)))
      runs.back().last = number;
    else
      runs.push_back({number, number});
  }
  return runs;
}

void PageStore::put(std::int64_t address, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const std::int64_t number = address >> 12;
    const auto at = static_cast<std::size_t>(address & 4095);
    const auto count = std::min<std::size_t>(4096 - at, bytes.size());
    const auto [it, fresh] = index_.try_emplace(number, static_cast<std::uint32_t>(pages_.size()));
    if (fresh) pages_.emplace_back();
    Page& page = pages_[it->second];
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t bit = std::uint64_t{1} << ((at + i) & 63);
      assert((page.used[(at + i) >> 6] & bit) == 0);
      page.used[(at + i) >> 6] |= bit;
    }
    std::copy_n(bytes.begin(), count, page.bytes.begin() + static_cast<std::ptrdiff_t>(at));
    address += static_cast<std::int64_t>(count);
    bytes = bytes.subspan(count);
  }
}

std::vector<std::int64_t> PageStore::page_numbers() const {
  std::vector<std::int64_t> numbers;
  numbers.reserve(index_.size());
  for (const auto& [number, index] : index_) numbers.push_back(number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

void PageStore::append_to(SharedPages& out, std::int64_t join_distance, TakenRanges taken) const {
  for (const auto& run : join_pages(page_numbers(), join_distance, taken)) {
    const auto count = static_cast<std::uint32_t>(run.last - run.first + 1);
    out.mappings.push_back({Vaddr{static_cast<std::uint64_t>(run.first) << 12}, count,
                            static_cast<std::uint32_t>(out.pages.size() / 4096), false});
    out.virtual_pages += count;
    for (std::int64_t number = run.first; number <= run.last; ++number) {
      const auto it = index_.find(number);
      if (it == index_.end())
        out.pages.resize(out.pages.size() + 4096, 0xcc);
      else
        out.pages.insert(out.pages.end(), pages_[it->second].bytes.begin(),
                         pages_[it->second].bytes.end());
    }
  }
}

namespace {

/// The page that the kernel maps at `page`, patched where [address, address + patched) covers it.
void append_page(const ElfView& input, Vaddr page, Vaddr address,
                 std::span<const std::uint8_t> patched, std::vector<std::uint8_t>& out) {
  const std::size_t at = out.size();
  out.resize(at + 4096, 0);
  // The kernel maps whole pages of the file, also what lies around the segment's own bytes.
  const Vaddr inside = std::max(page, address);
  const auto offset = input.to_offset(inside);
  assert(offset.has_value());
  const std::uint64_t page_offset = offset->value - (inside.value - page.value);
  const auto file = input.file();
  for (std::size_t i = 0; i < 4096 && page_offset + i < file.size(); ++i)
    out[at + i] = file[page_offset + i];
  const std::uint64_t from = std::max(page.value, address.value);
  const std::uint64_t to = std::min(page.value + 4096, address.value + patched.size());
  std::copy(patched.begin() + static_cast<std::ptrdiff_t>(from - address.value),
            patched.begin() + static_cast<std::ptrdiff_t>(to - address.value),
            out.begin() + static_cast<std::ptrdiff_t>(at + from - page.value));
}

}  // namespace

void append_overlays(const ElfView& input, Vaddr address, std::span<const std::uint8_t> original,
                     std::span<const std::uint8_t> patched, std::int64_t join_distance,
                     SharedPages& out) {
  assert(original.size() == patched.size());
  std::vector<std::uint64_t> changed;  // page numbers
  for (std::uint64_t lo = 0; lo < patched.size();) {
    const std::uint64_t next = ((address.value + lo) | 4095) + 1 - address.value;
    const std::uint64_t hi = std::min<std::uint64_t>(next, patched.size());
    if (!std::equal(patched.begin() + static_cast<std::ptrdiff_t>(lo),
                    patched.begin() + static_cast<std::ptrdiff_t>(hi),
                    original.begin() + static_cast<std::ptrdiff_t>(lo)))
      changed.push_back((address.value + lo) >> 12);
    lo = hi;
  }
  for (std::size_t i = 0; i < changed.size();) {
    std::size_t last = i;
    while (last + 1 < changed.size() &&
           changed[last + 1] - changed[last] <= static_cast<std::uint64_t>(join_distance))
      ++last;
    const auto first_physical = static_cast<std::uint32_t>(out.pages.size() / 4096);
    const auto count = static_cast<std::uint32_t>(changed[last] - changed[i] + 1);
    for (std::uint64_t page = changed[i]; page <= changed[last]; ++page)
      append_page(input, Vaddr{page << 12}, address, patched, out.pages);
    out.mappings.push_back({Vaddr{changed[i] << 12}, count, first_physical, true});
    out.virtual_pages += count;
    i = last + 1;
  }
}

}  // namespace punster
