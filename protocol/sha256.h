// SHA-256 (FIPS 180-4), to name files and requests by their contents.

#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace punster {

/// 64 hexadecimal digits.
[[nodiscard]] std::string sha256_hex(std::span<const std::uint8_t> bytes);

}  // namespace punster
