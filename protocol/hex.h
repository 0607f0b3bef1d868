// Addresses as text: always hexadecimal with 0x, in messages, reports and errors alike (JSON numbers
// lose bits beyond 2^53 in many clients).

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/address.h"

namespace punster {

/// "0x1f40"; below a position-independent image "-0x1000".
[[nodiscard]] std::string to_hex(Vaddr address);
[[nodiscard]] std::string to_hex(FileOffset offset);
/// "0f05c3", without separators.
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);

/// Parses "0x1f40", "1f40" only when `prefix_required` is false, "-0x1000" (wraps). Nothing on any
/// other character or on overflow.
[[nodiscard]] std::optional<std::uint64_t> parse_hex(std::string_view text,
                                                     bool prefix_required = true);
/// Parses hex digits in pairs, spaces between pairs allowed. Nothing on anything else.
[[nodiscard]] std::optional<std::string> parse_hex_bytes(std::string_view text);

}  // namespace punster
