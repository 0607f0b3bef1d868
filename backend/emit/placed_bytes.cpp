#include "backend/emit/placed_bytes.h"

namespace punster {

void PlacedBytes::put_uleb(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) put(static_cast<std::uint8_t>(value | 0x80));
  put(static_cast<std::uint8_t>(value));
}

void PlacedBytes::shrink(std::size_t size) {
  bytes.resize(size);
  while (!distances_.empty() && distances_.back().at >= size) distances_.pop_back();
}

bool PlacedBytes::place(Vaddr address) {
  address_ = address;
  bool all = true;
  for (const auto& d : distances_) {
    const Vaddr target = d.other ? d.other->address_ + Bytes{d.target.value} : d.target;
    const auto distance = displacement(address + Bytes{d.at}, target);
    all = all && distance;
    if (distance) std::memcpy(bytes.data() + d.at, &*distance, sizeof *distance);
  }
  return all;
}

}  // namespace punster
