#include "frontend/verify/body_entries.h"

#include <algorithm>

namespace punster {

BodyEntries::BodyEntries(const std::vector<std::vector<BodyEntry>>& parts) {
  for (const auto& part : parts) {
    const auto middle = all_.insert(all_.end(), part.begin(), part.end());
    std::inplace_merge(all_.begin(), middle, all_.end());
  }
}

void BodyFinder::seek(Vaddr address) {
  const auto below = [&](std::size_t i) { return all_[i].address < address; };
  std::size_t lo = 0, hi = all_.size();
  std::size_t stride = 1;
  if (finger_ < hi && below(finger_)) {
    lo = finger_ + 1;
    while (lo + stride < hi && below(lo + stride)) lo += stride + 1, stride *= 2;
    hi = std::min(hi, lo + stride);
  } else {
    hi = finger_;
    while (hi >= stride && !below(hi - stride)) hi -= stride, stride *= 2;
    lo = hi >= stride ? hi - stride : 0;
  }
  const auto found =
      std::partition_point(all_.begin() + static_cast<std::ptrdiff_t>(lo),
                           all_.begin() + static_cast<std::ptrdiff_t>(hi),
                           [&](const BodyEntry& entry) { return entry.address < address; });
  finger_ = static_cast<std::size_t>(found - all_.begin());
}

std::span<const BodyEntry> BodyFinder::at(Vaddr address) {
  seek(address);
  std::size_t end = finger_;
  while (end < all_.size() && all_[end].address == address) ++end;
  return all_.subspan(finger_, end - finger_);
}

bool BodyFinder::begins_at(Vaddr address) {
  const auto here = at(address);
  return std::any_of(here.begin(), here.end(), [](const BodyEntry& entry) { return entry.first; });
}

std::optional<Vaddr> BodyFinder::next_above(Vaddr address, std::span<const Vaddr> own) {
  seek(address + Bytes{1});
  for (std::size_t i = finger_; i < all_.size(); ++i)
    if (std::find(own.begin(), own.end(), all_[i].address) == own.end()) return all_[i].address;
  return std::nullopt;
}

}  // namespace punster
