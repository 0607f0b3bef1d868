// Program headers are few (73 in a program), so each must carry a run of pages that is worth it;
// the runtime maps as many runs as a process may have, but it must run first, and find its own
// file.
//
// Pages with stubs are thinly settled. Where several addresses may show the same page of the file
// (the ring, place/page_ring.h) a run costs next to nothing however long it is; tools that look at
// files expect that no two program headers show the same page, so without --share-pages each page
// is one of the file, and so is each filler between two runs that are joined to save a header.

#include "backend/session/layouts.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "backend/place/page_ring.h"
#include "backend/session/signed_address.h"

namespace punster {
namespace {

constexpr std::int64_t body_join_distance = 16;
/// The longest filler between two runs that become one, in pages: 64 MiB.
constexpr std::int64_t longest_filler = 1 << 14;
/// Pages of the file that program headers may show when somebody insists on them: 256 MiB.
constexpr std::uint64_t most_own_pages = 65536;

template <typename Stubs>
Result<void> put_stubs(const Solution& solution, const StubBodies& bodies, Stubs& stubs) {
  for (const auto& place : bodies.places()) stubs.put(place.at, bodies.bytes(place));
  for (const auto& stub : solution.stubs) {
    const auto rel = displacement(vaddr(stub.at + stub_size), vaddr(stub.to));
    if (!rel) return error_at("out_of_range", "a stub does not reach its body", vaddr(stub.at));
    std::array<std::uint8_t, stub_size> jump{0xe9};
    std::memcpy(jump.data() + 1, &*rel, 4);
    stubs.put(stub.at, jump);
  }
  return success();
}

std::vector<std::int64_t> pages_with_stubs(const Solution& solution, const StubBodies& bodies) {
  std::vector<std::int64_t> numbers;
  for (const auto& stub : solution.stubs)  // ascending; one may end on the next page
    for (const auto number : {stub.at >> 12, (stub.at + stub_size - 1) >> 12})
      if (numbers.empty() || numbers.back() < number) numbers.push_back(number);
  if (bodies.places().empty()) return numbers;
  for (const auto& place : bodies.places())
    for (const auto number : {place.at >> 12, (place.at + place.size - 1) >> 12})
      numbers.push_back(number);
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

/// Runs that are contiguous in memory and in the file: what one program header can map.
std::size_t runs_in(const SharedPages& pages) {
  std::size_t runs = 0;
  const PageMapping* before = nullptr;
  for (const auto& m : pages.mappings) {
    runs += before && before->continued_by(m) ? 0 : 1;
    before = &m;
  }
  return runs;
}

struct Attempt {
  std::optional<SharedPages> pages;
  std::string reason;  // why none
};

std::string too_many(std::size_t runs, std::size_t most) {
  return "its trampolines need " + std::to_string(runs) +
         " program headers, and there is room for " + std::to_string(most) + " (--max-headers)";
}

Result<Attempt> shared(const NewMemory& memory, std::size_t most_runs) {
  PUNSTER_TRY(auto pages, memory.with_shared_pages());
  const auto needed = runs_in(pages);
  if (needed > most_runs) return Attempt{std::nullopt, too_many(needed, most_runs)};
  return Attempt{std::move(pages), ""};
}

Result<Attempt> own(const NewMemory& memory, std::size_t most_runs, std::uint64_t most_pages) {
  NewMemory::Extent extent;
  std::int64_t distance = 1;
  for (; distance <= longest_filler; distance *= 2) {
    extent = memory.extent(distance);
    if (extent.runs <= most_runs) break;
  }
  if (extent.runs > most_runs) return Attempt{std::nullopt, too_many(extent.runs, most_runs)};
  if (extent.pages > most_pages)
    return Attempt{std::nullopt,
                   "program headers would show " + std::to_string(extent.pages) +
                       " pages of the file, and more than " + std::to_string(most_pages) +
                       " are not worth it (--share-pages lets them show the same ones)"};
  PUNSTER_TRY(auto pages, memory.with_own_pages(distance));
  return Attempt{std::move(pages), ""};
}

}  // namespace

std::optional<LayoutMode> parse_layout_mode(std::string_view name) {
  if (name == "auto") return LayoutMode::automatic;
  if (name == "headers") return LayoutMode::headers;
  if (name == "loader") return LayoutMode::loader;
  return std::nullopt;
}

NewMemory::NewMemory(const PageStore& dense, const Solution& solution, const StubBodies& bodies,
                     std::uint32_t ring_pages, TakenRanges taken_by_dense,
                     TakenRanges taken_by_stubs)
    : dense_(dense),
      solution_(solution),
      bodies_(bodies),
      ring_pages_(ring_pages),
      taken_by_dense_(taken_by_dense),
      taken_by_stubs_(taken_by_stubs),
      dense_pages_(dense.page_numbers()),
      stub_pages_(pages_with_stubs(solution, bodies)) {}

// `stubs` are appended to the dense pages by `append`, as the kind of their store wants it.
template <typename Stubs, typename Append>
Result<SharedPages> NewMemory::with(Stubs stubs, const Append& append) const {
  PUNSTER_TRY(put_stubs(solution_, bodies_, stubs));
  SharedPages pages;
  dense_.append_to(pages, body_join_distance, taken_by_dense_);
  append(stubs, pages);
  std::sort(pages.mappings.begin(), pages.mappings.end(),
            [](const PageMapping& a, const PageMapping& b) {
              return signed_address(a.address) < signed_address(b.address);
            });
  return pages;
}

Result<SharedPages> NewMemory::with_shared_pages() const {
  return with(PageRing(ring_pages_), [this](const PageRing& stubs, SharedPages& pages) {
    stubs.append_to(pages, taken_by_stubs_);
  });
}

Result<SharedPages> NewMemory::with_own_pages(std::int64_t join_distance) const {
  return with(PageStore(), [&](const PageStore& stubs, SharedPages& pages) {
    stubs.append_to(pages, join_distance, taken_by_stubs_);
  });
}

NewMemory::Extent NewMemory::extent(std::int64_t join_distance) const {
  Extent extent;
  const auto add = [&](const std::vector<PageRun>& runs) {
    extent.runs += runs.size();
    for (const auto& run : runs)
      extent.pages += static_cast<std::uint64_t>(run.last - run.first + 1);
  };
  add(join_pages(dense_pages_, body_join_distance, taken_by_dense_));
  add(join_pages(stub_pages_, join_distance, taken_by_stubs_));
  return extent;
}

std::optional<std::int64_t> NewMemory::lowest_page() const {
  std::optional<std::int64_t> lowest;
  for (const auto* pages : {&dense_pages_, &stub_pages_})
    if (!pages->empty()) lowest = std::min(lowest.value_or(pages->front()), pages->front());
  return lowest;
}

Result<ChosenLayout> choose_layout(const LayoutOptions& options, const NewMemory& memory,
                                   std::size_t most_runs, std::string obstacle) {
  const bool insists = options.mode == LayoutMode::headers;
  if (options.mode == LayoutMode::loader) obstacle = "asked for";
  if (obstacle.empty()) {
    const auto most_pages = insists ? most_own_pages : memory.dense_pages() + memory.ring_pages();
    PUNSTER_TRY(auto attempt, options.share_pages ? shared(memory, most_runs)
                                                  : own(memory, most_runs, most_pages));
    if (attempt.pages)
      return ChosenLayout{std::move(*attempt.pages), Layout::headers,
                          insists ? "asked for" : "program headers suffice"};
    obstacle = std::move(attempt.reason);
  }
  if (insists)
    return error("layout", "cannot be mapped by program headers: " + obstacle +
                               "; --layout=auto has the runtime map what they cannot");
  PUNSTER_TRY(auto pages, memory.with_shared_pages());
  return ChosenLayout{std::move(pages), Layout::loader, std::move(obstacle)};
}

}  // namespace punster
