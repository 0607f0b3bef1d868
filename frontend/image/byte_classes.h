// The last step of the code map: a class for every byte, claimed or not.

#pragma once

#include "frontend/image/claims.h"
#include "frontend/image/code_map.h"

namespace punster {

/// Appends instructions and ranges of `region` to `map` and adds up its sizes.
void classify(const Region& region, CodeMap& map);

/// The length of the padding at `at`, which must follow an instruction that does not go on: whole
/// no-operations or int3, or zeros up to an aligned instruction, ending at `hi` or at an address
/// that is a multiple of 8. 0 when there is none.
[[nodiscard]] std::size_t padding_at(const Region& region, std::size_t at, std::size_t hi);

}  // namespace punster
