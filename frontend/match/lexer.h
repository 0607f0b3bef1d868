// Match expressions as tokens.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/result.h"

namespace punster {

struct Token {
  enum class Kind : std::uint8_t {
    end,
    name,  // true, asm, rax, and, in, ...
    path,  // a name with dots in front or within, where an operand stands: .text, .text.end
    number,
    string,  // text without quotes and escapes
    regex,   // text between the slashes
    memory,  // text between < and > of mem64<0x8(%rsp)>; `number` is 8, 16, 32 or 64
    symbol,  // the name behind & where an operand stands: &main
    punctuation,
  } kind = Kind::end;
  std::size_t position = 0;  // in the expression, bytes from 0
  std::string text;
  std::int64_t number = 0;

  [[nodiscard]] bool is(std::string_view punctuation_or_word) const {
    return (kind == Kind::punctuation || kind == Kind::name) && text == punctuation_or_word;
  }
};

/// The tokens of `expression`, with one of kind `end` last. A slash begins a regular expression
/// where an operand may stand, and divides elsewhere; likewise &. Errors: see match.h.
[[nodiscard]] Result<std::vector<Token>> tokenise(std::string_view expression);

}  // namespace punster
