#include "backend/emit/compressed.h"

#include <elf.h>
#include <zlib.h>

#include <cstring>

namespace punster {
namespace {

// Deflate makes nothing smaller than that, so larger sizes are lies.
constexpr std::uint64_t most_ratio = 1032;

}  // namespace

std::optional<std::vector<std::uint8_t>> compressed(std::span<const std::uint8_t> contents,
                                                    std::uint64_t alignment) {
  Elf64_Chdr header{};
  header.ch_type = ELFCOMPRESS_ZLIB;
  header.ch_size = contents.size();
  header.ch_addralign = alignment;
  auto size = compressBound(contents.size());
  std::vector<std::uint8_t> out(sizeof header + size);
  std::memcpy(out.data(), &header, sizeof header);
  if (compress2(out.data() + sizeof header, &size, contents.data(), contents.size(),
                Z_DEFAULT_COMPRESSION) != Z_OK)
    return std::nullopt;
  out.resize(sizeof header + size);
  if (out.size() >= contents.size()) return std::nullopt;
  return out;
}

std::optional<std::vector<std::uint8_t>> decompressed(std::span<const std::uint8_t> section) {
  Elf64_Chdr header;
  if (section.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, section.data(), sizeof header);
  const auto data = section.subspan(sizeof header);
  if (header.ch_type != ELFCOMPRESS_ZLIB || header.ch_size / most_ratio > data.size())
    return std::nullopt;
  std::vector<std::uint8_t> out(header.ch_size);
  uLongf size = out.size();
  if (uncompress(out.data(), &size, data.data(), data.size()) != Z_OK || size != out.size())
    return std::nullopt;
  return out;
}

}  // namespace punster
