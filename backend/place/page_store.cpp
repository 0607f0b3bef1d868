// Physical page sharing.
//
// Stubs stand where puns lead, so some of them are alone on a page of 4096 bytes. Mapping such a page
// costs a virtual memory area, and storing it a page of file. The second cost is avoidable (Duck et
// al., PLDI 2020, section 4): virtual pages whose used bytes are disjoint can show the same page of the
// file. The first one matters more here: Linux allows 65,530 areas, each costs about 3 microseconds at
// start, and areas merge only when neighbours in memory are neighbours in the file. So runs of pages come
// first: neighbours at most `join_distance` apart are joined, holes included, and stay together in
// the file; the longest runs are laid down first, and every later run is laid over them where all of its
// pages fall into holes. A run of stubs is mostly holes itself, so most of them find a place.
//
// First fit from a cursor that moves on, with a bounded number of tries: linear time.


#include "backend/place/page_store.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace punster {

void PageStore::put(std::int64_t address, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const std::int64_t number = address >> 12;
    const auto at = static_cast<std::size_t>(address & 4095);
    const auto count = std::min<std::size_t>(4096 - at, bytes.size());
    const auto [it, fresh] =
        index_.try_emplace(number, static_cast<std::uint32_t>(pages_.size()));
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

class PageSharing {
 public:
  using Taken = std::span<const std::pair<std::int64_t, std::int64_t>>;

  PageSharing(const PageStore& store, std::int64_t join_distance, Taken taken) : store_(store) {
    auto is_taken = [&](std::int64_t lo, std::int64_t hi) {
      return std::any_of(taken.begin(), taken.end(),
                         [&](const auto& range) { return lo < range.second && range.first < hi; });
    };
    std::vector<std::int64_t> numbers;
    numbers.reserve(store.index_.size());
    for (const auto& [number, index] : store.index_) numbers.push_back(number);
    std::sort(numbers.begin(), numbers.end());
    for (const auto number : numbers) {
      if (!runs_.empty() && number - runs_.back().last <= std::max<std::int64_t>(join_distance, 1) &&
          !is_taken((runs_.back().last + 1) << 12, number << 12))
        runs_.back().last = number;
      else
        runs_.push_back({number, number});
    }
  }

  SharedPages share() {
    std::vector<Run*> longest_first;
    for (auto& run : runs_) longest_first.push_back(&run);
    std::stable_sort(
        longest_first.begin(), longest_first.end(),
        [](const Run* a, const Run* b) { return a->last - a->first > b->last - b->first; });
    for (Run* run : longest_first) place_run(*run);
    for (const auto& run : runs_) {
      const auto count = static_cast<std::uint32_t>(run.last - run.first + 1);
      out_.mappings.push_back(
          {Vaddr{static_cast<std::uint64_t>(run.first) << 12}, count, run.physical, false});
      out_.virtual_pages += count;
    }
    out_.filler_pages = out_.virtual_pages - store_.pages_.size();
    return std::move(out_);
  }

 private:
  struct Run {
    std::int64_t first, last;  // page numbers, inclusive
    std::uint32_t physical = 0;
  };
  using Used = std::array<std::uint64_t, 64>;

  const PageStore::Page* page(std::int64_t number) const {
    const auto it = store_.index_.find(number);
    return it == store_.index_.end() ? nullptr : &store_.pages_[it->second];
  }

  std::uint32_t append(const PageStore::Page* content) {
    const auto physical = static_cast<std::uint32_t>(used_.size());
    used_.push_back(content ? content->used : Used{});
    if (content)
      out_.pages.insert(out_.pages.end(), content->bytes.begin(), content->bytes.end());
    else
      out_.pages.resize(out_.pages.size() + 4096, 0xcc);
    return physical;
  }

  void place_run(Run& run) {
    const auto pages = static_cast<std::uint32_t>(run.last - run.first + 1);
    const int max_tries = pages > 8 ? 4096 : 64;
    for (int tries = 0; tries < max_tries && pages <= used_.size(); ++tries) {
      cursor_ = cursor_ + pages < used_.size() ? cursor_ + 1 : 0;
      if (!fits(run, cursor_)) continue;
      run.physical = cursor_;
      for (std::uint32_t k = 0; k < pages; ++k)
        if (const auto* guest = page(run.first + k)) merge(cursor_ + k, *guest);
      return;
    }
    run.physical = static_cast<std::uint32_t>(used_.size());
    for (std::uint32_t k = 0; k < pages; ++k) append(page(run.first + k));
  }

  /// Whether every page of the run is disjoint from the file page it would share from `host` on.
  [[nodiscard]] bool fits(const Run& run, std::uint32_t host) const {
    for (std::int64_t number = run.first; number <= run.last; ++number, ++host)
      if (const auto* guest = page(number); guest && !disjoint(used_[host], guest->used))
        return false;
    return true;
  }

  static bool disjoint(const Used& a, const Used& b) {
    for (std::size_t i = 0; i < a.size(); ++i)
      if (a[i] & b[i]) return false;
    return true;
  }

  void merge(std::uint32_t host, const PageStore::Page& guest) {
    std::uint8_t* bytes = out_.pages.data() + std::size_t{host} * 4096;
    for (std::size_t i = 0; i < 4096; ++i)
      if (guest.used[i >> 6] >> (i & 63) & 1) bytes[i] = guest.bytes[i];
    for (std::size_t i = 0; i < 64; ++i) used_[host][i] |= guest.used[i];
  }

  const PageStore& store_;
  std::vector<Run> runs_;
  std::vector<Used> used_;           // of each physical page
  std::uint32_t cursor_ = 0;
  SharedPages out_;
};

SharedPages PageStore::share(
    std::int64_t join_distance,
    std::span<const std::pair<std::int64_t, std::int64_t>> taken) const {
  return PageSharing(*this, join_distance, taken).share();
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
