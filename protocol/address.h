// The three kinds of number a rewriter must never mix, as three types.
//
// A virtual address, a file offset and a byte count are all 64-bit integers, and every corrupt
// output file we have seen anywhere began with one of them standing where another was meant. So
// nothing converts implicitly, in or out: `.value` is the only door, and it shows in review.

#pragma once

#include <cassert>
#include <compare>
#include <cstdint>
#include <limits>
#include <optional>

namespace punster {

/// A size or distance in bytes. Never an address, never negative.
struct Bytes {
  std::uint64_t value = 0;
  constexpr Bytes() = default;
  constexpr explicit Bytes(std::uint64_t v) : value(v) {}
  friend constexpr auto operator<=>(const Bytes&, const Bytes&) = default;
  friend constexpr Bytes operator+(Bytes a, Bytes b) { return Bytes{a.value + b.value}; }
  /// Precondition: `a >= b`.
  friend constexpr Bytes operator-(Bytes a, Bytes b) {
    assert(a >= b);
    return Bytes{a.value - b.value};
  }
};

/// A link-time virtual address, before the load bias is added. In a position-independent image that
/// is linked at 0, an address *below* the image wraps: -0x1000 is 0xfffffffffffff000.
struct Vaddr {
  std::uint64_t value = 0;
  constexpr Vaddr() = default;
  constexpr explicit Vaddr(std::uint64_t v) : value(v) {}
  friend constexpr auto operator<=>(const Vaddr&, const Vaddr&) = default;
  friend constexpr Vaddr operator+(Vaddr a, Bytes b) { return Vaddr{a.value + b.value}; }
  friend constexpr Vaddr operator-(Vaddr a, Bytes b) { return Vaddr{a.value - b.value}; }
  /// Precondition: `a >= b`; sizes do not go negative.
  friend constexpr Bytes operator-(Vaddr a, Vaddr b) {
    assert(a >= b);
    return Bytes{a.value - b.value};
  }
};

/// A position in the file on disk.
struct FileOffset {
  std::uint64_t value = 0;
  constexpr FileOffset() = default;
  constexpr explicit FileOffset(std::uint64_t v) : value(v) {}
  friend constexpr auto operator<=>(const FileOffset&, const FileOffset&) = default;
  friend constexpr FileOffset operator+(FileOffset a, Bytes b) {
    return FileOffset{a.value + b.value};
  }
  /// Precondition: `a >= b`.
  friend constexpr Bytes operator-(FileOffset a, FileOffset b) {
    assert(a >= b);
    return Bytes{a.value - b.value};
  }
};

/// The half-open range [lo, hi) of virtual addresses. Stored ranges have lo < hi.
struct AddressRange {
  Vaddr lo, hi;
  [[nodiscard]] constexpr bool contains(Vaddr a) const { return lo <= a && a < hi; }
  [[nodiscard]] constexpr bool overlaps(const AddressRange& o) const {
    return lo < o.hi && o.lo < hi;
  }
  [[nodiscard]] constexpr Bytes size() const { return hi - lo; }
  friend constexpr auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

/// The signed displacement that a rel32 or disp32 ending at `from_end` needs to reach `to`, or
/// nothing when it does not fit. This is the only place where the range of rel32 is checked.
/// Addresses wrap at 2^64, as the processor's do.
[[nodiscard]] constexpr std::optional<std::int32_t> displacement(Vaddr from_end, Vaddr to) {
  const auto distance = static_cast<std::int64_t>(to.value - from_end.value);
  if (distance < std::numeric_limits<std::int32_t>::min() ||
      distance > std::numeric_limits<std::int32_t>::max())
    return std::nullopt;
  return static_cast<std::int32_t>(distance);
}

/// Where a displacement that ends at `from_end` leads.
[[nodiscard]] constexpr Vaddr displaced(Vaddr from_end, std::int32_t by) {
  return Vaddr{from_end.value + static_cast<std::uint64_t>(static_cast<std::int64_t>(by))};
}

inline constexpr Bytes page_size{4096};
[[nodiscard]] constexpr Vaddr page_floor(Vaddr a) { return Vaddr{a.value & ~0xfffull}; }
[[nodiscard]] constexpr Vaddr page_ceil(Vaddr a) { return Vaddr{(a.value + 0xfff) & ~0xfffull}; }

}  // namespace punster
