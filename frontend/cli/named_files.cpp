#include "frontend/cli/named_files.h"

#include <algorithm>

namespace punster {
namespace {

constexpr std::size_t shortest = 6, longest = 255;

bool is_plain(std::uint8_t c) {
  return c > ' ' && c < 0x7f && c != ':' && c != '"' && c != '%' && c != '*' && c != ',';
}

/// libNAME.so, libNAME.so.1.2
bool is_library_name(std::string_view text) {
  if (!text.starts_with("lib") || text.find('/') != std::string_view::npos) return false;
  const auto at = text.rfind(".so");
  if (at == std::string_view::npos || at <= 3) return false;
  const auto version = text.substr(at + 3);
  return version.empty() ||
         (version.front() == '.' && version.size() > 1 &&
          std::ranges::all_of(version, [](char c) { return c == '.' || (c >= '0' && c <= '9'); }));
}

}  // namespace

void find_named_files(ByteView bytes, NamedFiles& found) {
  const auto all = bytes.bytes();
  std::size_t begin = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (is_plain(all[i])) continue;
    const std::size_t size = i - begin;
    if (all[i] == 0 && size >= shortest && size <= longest) {
      const std::string_view text(reinterpret_cast<const char*>(all.data()) + begin, size);
      if (text.front() == '/') {
        found.paths.emplace(text);
      } else if (is_library_name(text)) {
        found.names.emplace(text);
      }
    }
    begin = i + 1;
  }
}

}  // namespace punster
