// Memory operands written in an expression: mem64<0x200(%rsp,%rax,8)>.

#pragma once

#include <optional>
#include <string_view>

#include "frontend/decode/details.h"

namespace punster {

/// Parses AT&T syntax, "[%seg:][disp][(base[,index[,scale]])]" with decimal or 0x numbers. The
/// operand's access is none. Nothing on any other text.
[[nodiscard]] std::optional<Operand> parse_memory_literal(std::string_view text, unsigned bits);

/// Whether two memory operands name the same bytes in the same words; what is done there may
/// differ.
[[nodiscard]] bool same_memory(const Operand& a, const Operand& b);

}  // namespace punster
