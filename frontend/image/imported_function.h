// Functions of other files, as this file's own code calls them: through an entry of a PLT, which
// jumps through the GOT slot that the dynamic linker fills in.

#pragma once

#include <optional>
#include <string_view>

#include "frontend/image/image.h"

namespace punster {

/// The PLT entry that leads to the function `name` of another file, its endbr64 included: what a
/// direct call of it targets. Of several the lowest. Nothing when there is none, calls through
/// memory need none. Works from section headers. Linear in relocations and PLTs.
[[nodiscard]] std::optional<Vaddr> imported_function(const Image& image, std::string_view name);

}  // namespace punster
