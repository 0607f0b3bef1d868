#include "backend/session/body_places.h"

#include <algorithm>

#include "backend/session/signed_address.h"

namespace punster {

BodyPlaces::BodyPlaces(const Bodies& bodies, const Requests& requests)
    : bodies_(bodies), requests_(requests) {
  const auto& sites = bodies.sites();
  all_ = bodies.bridges().empty() &&
         std::all_of(sites.begin(), sites.end(), [](const SiteBody& s) { return s.size > 0; });
  if (all_) return;
  for (const auto& site : sites)
    if (site.size > 0) with_body_.push_back(&site);
  for (const auto& bridge : bodies.bridges()) with_body_.push_back(&bridge);
  std::sort(with_body_.begin(), with_body_.end(),
            [](const SiteBody* a, const SiteBody* b) { return a->insn < b->insn; });
}

std::size_t BodyPlaces::size() const {
  return all_ ? bodies_.sites().size() : with_body_.size();
}

BodyPlace BodyPlaces::at(std::size_t k) const {
  const SiteBody& site = all_ ? bodies_.sites()[k] : *with_body_[k];
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

}  // namespace punster
