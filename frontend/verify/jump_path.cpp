#include "frontend/verify/jump_path.h"

#include <array>
#include <cstring>

namespace punster {
namespace {

// Prefixes that change nothing before a direct near jump or call, on every processor: segment
// overrides and REX. Not 66, which AMD and Intel read differently, and not F2 or F3, which carry
// meaning (BND).
bool redundant(std::uint8_t byte) {
  return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 ||
         byte == 0x65 || (byte & 0xf0) == 0x40;
}

}  // namespace

std::optional<JumpHop> parse_hop(Vaddr address, std::span<const std::uint8_t> bytes) {
  JumpHop hop;
  hop.address = address;
  while (hop.prefixes < bytes.size() && redundant(bytes[hop.prefixes])) ++hop.prefixes;
  const auto rest = bytes.subspan(hop.prefixes);
  if (rest.size() >= 2 && rest[0] == 0xeb) {
    hop.is_short = true;
    hop.length = hop.prefixes + 2;
    hop.target = displaced(address + Bytes{hop.length}, static_cast<std::int8_t>(rest[1]));
  } else if (rest.size() >= 5 && (rest[0] == 0xe9 || rest[0] == 0xe8)) {
    std::int32_t by = 0;
    std::memcpy(&by, rest.data() + 1, sizeof by);
    hop.call = rest[0] == 0xe8;
    hop.length = hop.prefixes + 5;
    hop.target = displaced(address + Bytes{hop.length}, by);
  } else {
    return std::nullopt;
  }
  return hop.length <= 15 ? std::optional(hop) : std::nullopt;
}

std::optional<JumpHop> hop_at(const PatchedImage& image, Vaddr address) {
  const MemoryPiece* piece = image.piece_at(address);
  if (piece == nullptr || !piece->executable) return std::nullopt;
  std::array<std::uint8_t, 15> bytes{};
  const auto have = image.read(address, bytes);
  return parse_hop(address, std::span(bytes).first(have));
}

std::vector<JumpHop> hops_from(const PatchedImage& image, Vaddr address) {
  const auto in_trampoline = [&](Vaddr a) {
    const MemoryPiece* piece = image.piece_at(a);
    return piece != nullptr && piece->kind == MemoryKind::trampolines;
  };
  std::vector<JumpHop> hops;
  for (Vaddr at = address; hops.size() < 4;) {
    const auto hop = hop_at(image, at);
    if (!hop || (hop->call && !hops.empty())) break;
    if (in_trampoline(at) && !in_trampoline(hop->target)) break;
    hops.push_back(*hop);
    at = hop->target;
  }
  return hops;
}

}  // namespace punster
