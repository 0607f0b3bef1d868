// The one way in which this room reads file bytes: bounds-checked, copying, indifferent to alignment.

#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "protocol/address.h"

namespace punster {

/// A view of a file or a part of it. Positions are relative to the start of the view.
class ByteView {
 public:
  ByteView() = default;
  explicit ByteView(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }

  /// Whether [at, at + size) lies inside; no overflow for any values.
  [[nodiscard]] bool holds(std::uint64_t at, std::uint64_t size) const {
    return at <= bytes_.size() && size <= bytes_.size() - at;
  }

  template <typename T>
  [[nodiscard]] std::optional<T> read(std::uint64_t at) const {
    static_assert(std::is_trivially_copyable_v<T>);
    if (!holds(at, sizeof(T)))
      return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }

  /// The part [at, at + size), or an empty view when that is not all inside.
  [[nodiscard]] ByteView part(std::uint64_t at, std::uint64_t size) const {
    return holds(at, size) ? ByteView{bytes_.subspan(at, size)} : ByteView{};
  }

  /// The NUL-terminated text at `at`; empty when it does not end inside.
  [[nodiscard]] std::string_view text(std::uint64_t at) const {
    if (at >= bytes_.size())
      return {};
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + at;
    const void* end = std::memchr(begin, 0, bytes_.size() - at);
    if (end == nullptr)
      return {};
    return {begin, static_cast<std::size_t>(static_cast<const char*>(end) - begin)};
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace punster
