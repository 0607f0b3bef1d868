// From a match expression's tokens to its program.
//
//   expression  := conjunction { ("or" | "||") conjunction }
//   conjunction := inversion { ("and" | "&&") inversion }
//   inversion   := ("not" | "!") inversion | comparison
//   comparison  := sum [ ("==" | "=" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~") sum-or-regex
//                      | ["not"] "in" ( set | "FILE" | register set ) ]
//                | set "in" register set
//   sum         := binary operators by rising precedence: | , ^ , & , << >> , + - , * / div % mod
//   operand     := number | "text" | register | enumeration | mem64<...> | &symbol | attribute |
//   ...
//
// Types are checked here, not while matching: what can never be true is a mistake of the user, and
// is reported with a caret while there is somebody to read it.

#pragma once

#include <memory>
#include <string_view>

#include "frontend/match/program.h"

namespace punster {

[[nodiscard]] Result<std::shared_ptr<const Match::Program>> compile_expression(
    std::string_view expression, const MatchOptions& options);

/// The part [from, from + size) of `text` as a number, a condition or text.
[[nodiscard]] Result<std::shared_ptr<const Match::Program>> compile_value(
    std::string_view text, std::size_t from, std::size_t size, const MatchOptions& options);

}  // namespace punster
