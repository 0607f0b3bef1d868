// Finds what makes a check fail, by asking it again and again.

#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "protocol/result.h"

namespace punster {

/// Asks about a set of indices, ascending. True: with these the program misbehaves.
using Misbehaves = std::function<Result<bool>(const std::vector<std::size_t>&)>;

/// A set of indices below `count` with which the program misbehaves, ascending: a single one if one
/// alone does it and the check gives steady answers. Empty: not even all of them do any harm.
/// Asks at most log2(count) + 2 times for a single culprit, and as often again for each further
/// one. Errors: "check_always_fails" when the program misbehaves without any; those of
/// `misbehaves`.
[[nodiscard]] Result<std::vector<std::size_t>> find_culprits(std::size_t count,
                                                             const Misbehaves& misbehaves);

}  // namespace punster
