// Ranges of addresses as users write them for --exclude.

#pragma once

#include <string>

#include "frontend/match/match.h"

namespace punster {

/// `ADDR` or `ADDR .. ADDR`, as e9tool has it: ADDR is a number, a symbol, a section, or
/// section.start or section.end, and + a number. The upper end is excluded; a section as upper end
/// means its end. One ADDR alone is the instruction there, or the section. Errors: kind
/// "bad_expression", with a caret.
[[nodiscard]] Result<AddressRange> parse_exclusion(const std::string& text,
                                                   const NameResolver& names);

}  // namespace punster
