// Bytes that name addresses relative to their own, written before their own address is known.

#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "protocol/address.h"

namespace punster {

class PlacedBytes {
 public:
  std::vector<std::uint8_t> bytes;

  template <typename T>
  void put(T value) {
    const auto at = bytes.size();
    bytes.resize(at + sizeof value);
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
  void put_uleb(std::uint64_t value);
  /// Four bytes: the distance from there to `target`.
  void put_distance(Vaddr target) { distances_.push_back({bytes.size(), target, nullptr}), put(0); }
  /// The same, to `position` of `other`, which has its address when this gets its own.
  void put_distance(const PlacedBytes& other, std::size_t position) {
    distances_.push_back({bytes.size(), Vaddr{position}, &other}), put(0);
  }
  /// Takes back what was put from `size` on.
  void shrink(std::size_t size);

  /// Fills the distances in. False: one is 2 GiB or more.
  bool place(Vaddr address);
  /// Precondition: place() has been called.
  [[nodiscard]] Vaddr address() const { return address_; }

 private:
  struct Distance {
    std::size_t at;
    Vaddr target;  // in `other`, if there is one, as a position
    const PlacedBytes* other;
  };
  std::vector<Distance> distances_;
  Vaddr address_;
};

}  // namespace punster
