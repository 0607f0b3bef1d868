#include "backend/session/stub_bodies.h"

#include <algorithm>

namespace punster {
namespace {

/// Which bytes of the ring are used.
class RingBytes {
 public:
  RingBytes(const Solution& solution, std::uint32_t pages)
      : pages_(pages), used_(std::size_t{pages} * 4096) {
    for (const auto& stub : solution.stubs) use(stub.at, stub.at + stub_size);
  }
  /// Unused bytes from `at` to the end of the page that `at - 1` is on, at most `most`.
  [[nodiscard]] std::uint32_t free_from(std::int64_t at, std::uint32_t most) const {
    std::uint32_t count = 0;
    while (count < most && ((at + count) & 4095) != 0 && !used_[index(at + count)]) ++count;
    return count;
  }
  void use(std::int64_t from, std::int64_t to) {
    for (auto a = from; a < to; ++a) used_[index(a)] = true;
  }

 private:
  [[nodiscard]] std::size_t index(std::int64_t a) const {
    return std::size_t{ring_page(a >> 12, pages_)} * 4096 + static_cast<std::size_t>(a & 4095);
  }
  std::uint32_t pages_;
  std::vector<bool> used_;
};

/// Where the site's stub stands, or nothing.
std::optional<std::int64_t> stub_of(const SiteBody& site, const Decision& decision) {
  switch (decision.tactic) {
    case Tactic::B1:
    case Tactic::B2:
    case Tactic::T1:
    case Tactic::T2:
    case Tactic::T3:
      break;
    default:
      return std::nullopt;
  }
  return decision.target() != site.address ? std::optional(decision.target()) : std::nullopt;
}

}  // namespace

StubBodies::StubBodies(const Bodies& bodies, Solution& solution, std::uint32_t ring_pages) {
  RingBytes ring(solution, ring_pages);
  std::vector<std::int64_t> replaced;
  const auto& sites = bodies.sites();
  for (std::uint32_t k = 0; k < sites.size(); ++k) {
    const auto at = stub_of(sites[k], solution.decisions[k]);
    if (!at || !sites[k].quiet) continue;
    const auto room = stub_size + ring.free_from(*at + stub_size, most_bytes - stub_size);
    const auto first = static_cast<std::uint32_t>(bytes_.size());
    if (!bodies.append_copy(sites[k], *at, room, bytes_)) continue;
    const auto size = static_cast<std::uint32_t>(bytes_.size()) - first;
    ring.use(*at + stub_size, *at + size);
    places_.push_back({*at, k, first, size});
    replaced.push_back(*at);
  }
  std::sort(replaced.begin(), replaced.end());
  std::erase_if(solution.stubs, [&](const Stub& stub) {
    return std::binary_search(replaced.begin(), replaced.end(), stub.at);
  });
}

std::optional<std::int64_t> StubBodies::of_site(std::uint32_t site) const {
  const auto found =
      std::lower_bound(places_.begin(), places_.end(), site,
                       [](const Place& place, std::uint32_t k) { return place.site < k; });
  return found != places_.end() && found->site == site ? std::optional(found->at) : std::nullopt;
}

}  // namespace punster
