// What a site asks of the bytes that it will borrow.
//
// The jump of a site of l < 5 bytes takes its high bytes from its followers, so the *low* bytes of
// a follower's displacement decide where the site before can lead: its top byte chooses one of 256
// stretches of 16 MiB, the byte below (the *middle*) one of 256 stretches of 64 KiB in it. A
// follower that takes any odd target sends its predecessor to any odd page. So every target is
// chosen with a Demand on the bytes that somebody before will borrow as top or as middle byte.
//
// E9 is the middle that sites of three bytes get anyway, because their middle is the first byte of
// a jump. When the others get E9 or a byte close to it, too, all of them gather in one arena that
// runs 0xE90000 bytes behind the code (and, with top byte FE, another one before it).

#pragma once

#include <array>
#include <cstdint>

namespace punster {

/// Values for one byte, best first.
class ByteChoice {
 public:
  void add(std::uint8_t value) {
    if (has(value)) return;
    bits_[value >> 6] |= std::uint64_t{1} << (value & 63);
    order_[count_++] = value;
  }
  [[nodiscard]] bool has(std::uint8_t value) const {
    return (bits_[value >> 6] >> (value & 63) & 1) != 0;
  }
  /// The values as a set of bits.
  [[nodiscard]] const std::array<std::uint64_t, 4>& bits() const { return bits_; }
  [[nodiscard]] const std::uint8_t* begin() const { return order_.data(); }
  [[nodiscard]] const std::uint8_t* end() const { return order_.data() + count_; }

 private:
  std::array<std::uint64_t, 4> bits_{};
  std::array<std::uint8_t, 256> order_{};
  std::uint16_t count_ = 0;
};

/// Byte j of a displacement is to be one of `*byte[j]`; null: whatever it likes.
struct Demand {
  std::array<const ByteChoice*, 4> byte{};
  /// byte[3] is only how to search four free bytes: nobody else cares.
  bool top_is_free = false;
  [[nodiscard]] bool accepts(std::int32_t rel) const {
    for (int j = 0; j < (top_is_free ? 3 : 4); ++j)
      if (byte[j] &&
          !byte[j]->has(static_cast<std::uint8_t>(static_cast<std::uint32_t>(rel) >> (8 * j))))
        return false;
    return true;
  }
};

/// How much a search insists on what predecessors would like.
enum class Insistence : std::uint8_t {
  closely,  ///< tops near the image, middles next to E9
  loosely,  ///< tops near the image, middles around E9
  barely,   ///< tops that lead somewhere at all
};

}  // namespace punster
