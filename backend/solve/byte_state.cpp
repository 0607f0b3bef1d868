#include "backend/solve/byte_state.h"

#include <algorithm>

namespace punster {

ByteState::ByteState(const SolverInput& input) {
  Position next = gap;
  for (const auto& code : input.code) {
    const auto lo = static_cast<std::int64_t>(code.address.value);
    const auto size = static_cast<std::int64_t>(code.bytes.size());
    regions_.push_back({lo, lo + size, next});
    next += static_cast<Position>(code.bytes.size()) + gap;
  }
  original_.resize(next);
  lock_.resize(next);
  kind_.resize(next, ByteKind::outside);
  for (std::size_t i = 0; i < input.code.size(); ++i) {
    const auto& bytes = input.code[i].bytes;
    std::copy(bytes.begin(), bytes.end(), original_.begin() + regions_[i].base);
    std::fill_n(kind_.begin() + regions_[i].base, bytes.size(), ByteKind::fixed);
  }
  value_ = original_;
  for (const auto& insn : input.instructions)
    std::fill_n(kind_.begin() + position(insn.address()), insn.length(), ByteKind::insn);
  for (const auto& range : input.padding)
    std::fill_n(kind_.begin() + position(range.lo), range.size().value, ByteKind::padding);
}

Position ByteState::position(Vaddr address) const {
  const auto a = static_cast<std::int64_t>(address.value);
  for (const auto& region : regions_)  // one or two of them in every file we have met
    if (a >= region.lo && a < region.hi) return region.base + static_cast<Position>(a - region.lo);
  assert(!"address outside the code regions");
  return 0;
}

std::int64_t ByteState::address(Position p) const {
  auto region = std::upper_bound(regions_.begin(), regions_.end(), p,
                                 [](Position q, const Region& r) { return q < r.base; });
  assert(region != regions_.begin());
  --region;
  return region->lo + (p - region->base);
}

std::vector<std::uint8_t> ByteState::region(std::size_t index) const {
  const auto& r = regions_[index];
  const auto from = value_.begin() + r.base;
  return {from, from + (r.hi - r.lo)};
}

}  // namespace punster
