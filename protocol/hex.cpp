#include "protocol/hex.h"

#include <charconv>

namespace punster {
namespace {

std::string hex_of(std::uint64_t value) {
  char digits[18];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return "0x" + std::string(digits, end);
}

}  // namespace

std::string to_hex(Vaddr address) {
  if (static_cast<std::int64_t>(address.value) < 0) return "-" + hex_of(0 - address.value);
  return hex_of(address.value);
}

std::string to_hex(FileOffset offset) { return hex_of(offset.value); }

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const auto byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::optional<std::uint64_t> parse_hex(std::string_view text, bool prefix_required) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.starts_with("0x") || text.starts_with("0X"))
    text.remove_prefix(2);
  else if (prefix_required)
    return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || failed != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return negative ? 0 - value : value;
}

std::optional<std::string> parse_hex_bytes(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ' ') {
      ++i;
      continue;
    }
    unsigned value = 0;
    if (i + 2 > text.size()) return std::nullopt;
    const auto [end, failed] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (failed != std::errc{} || end != text.data() + i + 2) return std::nullopt;
    bytes += static_cast<char>(value);
    i += 2;
  }
  return bytes;
}

}  // namespace punster
