// Reads forward through bytes that somebody else wrote. Nothing past the end is ever touched: after
// the first failure everything reads as zero and ok() stays false, so a parser checks once, at its
// end.

#pragma once

#include <cstring>
#include <optional>
#include <span>

#include "protocol/address.h"

namespace punster {

class ByteReader {
 public:
  /// `address`: where the first byte stands in memory, for what is relative to its own place.
  ByteReader(std::span<const std::uint8_t> bytes, Vaddr address)
      : bytes_(bytes), address_(address) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return !ok_ || at_ == bytes_.size(); }
  [[nodiscard]] std::size_t position() const { return at_; }
  [[nodiscard]] Vaddr address() const { return address_ + Bytes{at_}; }

  template <typename T>
  T next() {
    T value{};
    if (const auto piece = take(sizeof(T)); ok_) std::memcpy(&value, piece.data(), sizeof(T));
    return value;
  }

  /// The next `size` bytes; empty when there are not so many.
  std::span<const std::uint8_t> take(std::uint64_t size) {
    ok_ = ok_ && size <= bytes_.size() - at_;
    if (!ok_) return {};
    at_ += static_cast<std::size_t>(size);
    return bytes_.subspan(at_ - static_cast<std::size_t>(size), static_cast<std::size_t>(size));
  }

  std::span<const std::uint8_t> rest() { return take(bytes_.size() - at_); }

  /// What was read makes no sense.
  void fail() { ok_ = false; }

  std::uint64_t uleb() { return leb(false); }
  std::int64_t sleb() { return static_cast<std::int64_t>(leb(true)); }

 private:
  std::uint64_t leb(bool is_signed) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const auto byte = next<std::uint8_t>();
      if (shift < 64) value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte & 0x80) continue;
      if (is_signed && (byte & 0x40) && shift + 7 < 64) value |= ~std::uint64_t{0} << (shift + 7);
      return value;
    }
    ok_ = false;
    return 0;
  }

  std::span<const std::uint8_t> bytes_;
  Vaddr address_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace punster
