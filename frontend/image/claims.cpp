#include "frontend/image/claims.h"

#include <algorithm>

namespace punster {

const char* to_string(Evidence evidence) {
  switch (evidence) {
    case Evidence::stated:
      return "stated from outside";
    case Evidence::descent: return "descent";
    case Evidence::jump_table: return "jump table";
    case Evidence::unwind: return "unwind";
    case Evidence::relocation: return "relocation";
    case Evidence::address_taken: return "address taken";
    case Evidence::call_return: return "follows a call";
    case Evidence::gap: return "gap decodes into code";
  }
  return "";
}

bool Region::has_room(std::size_t at, unsigned length) const {
  if (length > size() - at)
    return false;
  constexpr std::uint8_t taken = length_mask | inside;
  for (std::size_t i = at; i < at + length; ++i)
    if ((state_[i] & taken) || (i > at && (notes_[i] & trial_start)))
      return false;
  return true;
}

void Region::claim(std::size_t at, unsigned length, Evidence evidence) {
  assert(has_room(at, length));
  state_[at] = static_cast<std::uint8_t>(state_[at] | length);
  for (std::size_t i = at + 1; i < at + length; ++i)
    state_[i] |= inside;
  notes_[at] = static_cast<std::uint8_t>((notes_[at] & ~evidence_mask) |
                                         static_cast<std::uint8_t>(evidence));
}

void Region::dispute(std::size_t at, std::size_t length) {
  for (std::size_t i = at; i < at + length && i < size(); ++i)
    state_[i] |= disputed;
}

void Region::set_trial(std::size_t at, unsigned length) {
  notes_[at] |= trial_start;
  for (std::size_t i = at + 1; i < at + length; ++i)
    notes_[i] |= trial_inside;
}

void Region::clear_trial(std::size_t at, unsigned length) {
  for (std::size_t i = at; i < at + length; ++i)
    notes_[i] = static_cast<std::uint8_t>(notes_[i] & ~(trial_start | trial_inside));
}

Claims::Claims(const Image& image) {
  for (const Section& section : image.code_sections()) {
    const auto bytes = image.bytes_at(section.range.lo, section.range.size());
    if (!bytes.empty())
      regions_.emplace_back(AddressRange{section.range.lo, section.range.lo + Bytes{bytes.size()}},
                            bytes);
  }
}

Spot Claims::find(Vaddr address) {
  if (last_ >= regions_.size() || !regions_[last_].range().contains(address)) {
    const auto after = std::ranges::upper_bound(regions_, address, {},
                                                [](const Region& r) { return r.range().lo; });
    if (after == regions_.begin() || !(after - 1)->range().contains(address))
      return {};
    last_ = static_cast<std::size_t>(after - 1 - regions_.begin());
  }
  return {&regions_[last_], regions_[last_].position(address)};
}

}  // namespace punster
