#include "backend/session/body_places.h"

#include <algorithm>

namespace punster {

BodyPlaces::BodyPlaces(const Bodies& bodies, const Requests& requests)
    : bodies_(bodies), requests_(requests) {
  const auto& sites = bodies.sites();
  if (std::all_of(sites.begin(), sites.end(), [](const SiteBody& s) { return s.size > 0; })) return;
  for (std::uint32_t k = 0; k < sites.size(); ++k)
    if (sites[k].size > 0) with_body_.push_back(k);
  all_ = false;
}

std::size_t BodyPlaces::size() const {
  return all_ ? bodies_.sites().size() : with_body_.size();
}

BodyPlace BodyPlaces::at(std::size_t k) const {
  const SiteBody& site = bodies_.sites()[all_ ? k : with_body_[k]];
  const Insn& insn = requests_.instructions()[site.insn];
  BodyPlace place;
  place.original = insn.address();
  place.length = static_cast<std::uint8_t>(insn.length());
  place.body = Vaddr{static_cast<std::uint64_t>(site.address)};
  place.size = site.size;
  place.calls = site.emulates_call || site.retargets_call;
  place.done = bodies_.done_after(site);
  return place;
}

}  // namespace punster
