#include "backend/session/body_places.h"

#include <algorithm>

#include "backend/session/signed_address.h"

namespace punster {

BodyPlaces::BodyPlaces(const Bodies& bodies, const Requests& requests)
    : bodies_(bodies), requests_(requests) {
  const auto& sites = bodies.sites();
  all_ = bodies.bridges().empty() &&
         std::all_of(sites.begin(), sites.end(), [](const SiteBody& s) { return s.size > 0; });
  if (!all_) {
    for (const auto& site : sites)
      if (site.size > 0) with_body_.push_back(&site);
    for (const auto& bridge : bodies.bridges()) with_body_.push_back(&bridge);
    std::sort(with_body_.begin(), with_body_.end(),
              [](const SiteBody* a, const SiteBody* b) { return a->insn < b->insn; });
  }
}

void BodyPlaces::scatter(const Solution& solution, const StubBodies& copies) {
  add_stubs(solution);
  const auto& sites = bodies_.sites();
  for (const auto& place : copies.places()) {
    auto at = place.at;
    for (auto& copy : bodies_.copy_of(sites[place.site], place.size)) {
      copy.address = at;
      add(copy);
      at += copy.size;
    }
  }
  for (const auto& eviction : solution.evictions)
    if (eviction.body >= bodies_.evicted_room().lo)
      add(bodies_.evicted(eviction));  // else a bridge
  std::sort(scattered_.begin(), scattered_.end(),
            [](const Piece& a, const Piece& b) { return a.at < b.at; });
}

void BodyPlaces::add(const SiteBody& body) {
  scattered_.push_back({body.address, body.insn, static_cast<std::uint8_t>(body.size),
                        static_cast<std::uint8_t>(bodies_.done_after(body)), body.emulates_call});
}

// Stubs are ascending, and nobody says whose they are. But neighbours mostly lead to neighbours, so
// each body is looked for from the one before, in steps that double.
void BodyPlaces::add_stubs(const Solution& solution) {
  std::vector<std::pair<std::int64_t, std::uint32_t>> evicted;
  for (const auto& eviction : solution.evictions)
    evicted.emplace_back(eviction.body, eviction.insn);
  std::sort(evicted.begin(), evicted.end());
  scattered_.reserve(solution.stubs.size() + evicted.size());
  std::size_t k = 0;
  for (const auto& stub : solution.stubs) {
    k = body_from(k, stub.to);
    if (k < size() && body(k).address == stub.to) {
      const bool called = body(k).retargets_call;  // and the return address is there
      scattered_.push_back({stub.at, body(k).insn, stub_size,
                            static_cast<std::uint8_t>(called ? 0 : stub_size), called});
      continue;
    }
    const auto found = std::lower_bound(evicted.begin(), evicted.end(), std::pair(stub.to, 0u));
    assert(found != evicted.end() && found->first == stub.to);
    scattered_.push_back({stub.at, found->second, stub_size, stub_size, false});
  }
}

/// The first body at or behind `address`, or size(). O(log distance from `near`).
std::size_t BodyPlaces::body_from(std::size_t near, std::int64_t address) const {
  std::size_t lo = near, hi = near, step = 1;
  while (lo > 0 && body(lo - 1).address >= address) {
    hi = lo - 1;
    lo -= std::min(lo, step);
    step *= 2;
  }
  while (hi < size() && body(hi).address < address) {
    lo = hi + 1;
    hi = std::min(size(), hi + step);
    step *= 2;
  }
  while (lo < hi) {
    const auto middle = lo + (hi - lo) / 2;
    if (body(middle).address < address)
      lo = middle + 1;
    else
      hi = middle;
  }
  return lo;
}

std::size_t BodyPlaces::size() const {
  return all_ ? bodies_.sites().size() : with_body_.size();
}

const SiteBody& BodyPlaces::body(std::size_t k) const {
  return all_ ? bodies_.sites()[k] : *with_body_[k];
}

BodyPlace BodyPlaces::at(std::size_t k) const {
  const SiteBody& site = body(k);
  const Insn& insn = requests_.instructions()[site.insn];
  BodyPlace place;
  place.original = insn.address();
  place.length = static_cast<std::uint8_t>(insn.length());
  place.body = vaddr(site.address);
  place.size = site.size;
  place.calls = site.emulates_call || site.retargets_call;
  place.done = bodies_.done_after(site);
  return place;
}

BodyPlace BodyPlaces::scattered_at(std::size_t k) const {
  const Piece& piece = scattered_[k];
  const Insn& insn = requests_.instructions()[piece.insn];
  return {.original = insn.address(),
          .length = static_cast<std::uint8_t>(insn.length()),
          .body = vaddr(piece.at),
          .size = piece.size,
          .done = piece.done,
          .calls = piece.calls};
}

}  // namespace punster
