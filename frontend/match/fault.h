// Errors in what the user typed: the text again, and a caret below the place.

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "protocol/result.h"

namespace punster {

/// An Error whose message reads
///     unknown attribute `adr`, did you mean `addr`?
///         adr == 3
///         ^
/// with `where` "column 1". `position` counts bytes of `text` from 0, at most its size.
[[nodiscard]] Error fault_at(const char* kind, std::string_view text, std::size_t position,
                             const std::string& complaint);

/// ", did you mean `addr`?" for the closest of `candidates`, or "" when none is close enough to
/// have been meant.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string_view> candidates);

}  // namespace punster
