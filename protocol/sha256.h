// SHA-256 (FIPS 180-4), to name files and requests by their contents.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace punster {

/// 64 hexadecimal digits.
[[nodiscard]] std::string sha256_hex(std::span<const std::uint8_t> bytes);
[[nodiscard]] inline std::string sha256_hex(std::string_view text) {
  return sha256_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace punster
