// The two notes that may have to change: what the code promises about control-flow enforcement, and the
// build id.

#pragma once

#include "backend/emit/edit.h"
#include "backend/emit/elf_view.h"

namespace punster {

/// Clears feature bits (GNU_PROPERTY_X86_FEATURE_1_IBT, _SHSTK) in .note.gnu.property. Nothing when the
/// file does not claim them.
[[nodiscard]] std::vector<FileEdit> clear_features(const ElfView& input, std::uint32_t features);

/// Replaces the build id by one made from `build_key`. Nothing when the file has none.
[[nodiscard]] std::vector<FileEdit> fresh_build_id(const ElfView& input, std::span<const std::uint8_t> build_key);

}  // namespace punster
