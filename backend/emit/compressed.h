// Contents of sections as tools read them compressed (SHF_COMPRESSED, zlib). The one place that
// sees zlib.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace punster {

/// An Elf64_Chdr and the contents behind it; nothing when that would not be smaller. `alignment`:
/// of the contents.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> compressed(
    std::span<const std::uint8_t> contents, std::uint64_t alignment);

/// What such a section holds; nothing when it is damaged, or of another compression.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> decompressed(
    std::span<const std::uint8_t> section);

}  // namespace punster
