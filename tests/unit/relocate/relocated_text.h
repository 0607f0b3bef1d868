// Reads back what a relocation wrote, as text, so that tests state what they expect in assembly.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backend/relocate/relocation.h"

namespace punster::test {

inline constexpr Vaddr original_address{0x401000};
inline constexpr Vaddr new_address{0x701000};

enum class Image { movable, fixed };

/// From "e9 fb 0f 00 00".
std::vector<std::uint8_t> bytes(std::string_view hex);

/// AT&T text, one instruction per "; ", absolute targets; what does not decode is "(bad)".
std::string disassemble(std::span<const std::uint8_t> code, Vaddr address);

/// Displaces one instruction from original_address to new_address. On an error "kind: message".
std::string relocated(std::string_view hex, Image image = Image::movable,
                      std::optional<Vaddr> taken = std::nullopt,
                      CallForm calls = CallForm::emulated);

/// The instruction's plan; fails the test when there is none.
Relocation plan(std::string_view hex, Image image = Image::movable,
                CallForm calls = CallForm::emulated);

}  // namespace punster::test
