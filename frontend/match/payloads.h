// The machine code that actions run before the instruction, as data: templates.json of the Python
// package, which both languages read.

#pragma once

#include <string>
#include <vector>

#include "frontend/match/action.h"

namespace punster {

/// One instruction of a payload in the template language, and what it reads as: bytes, holes such
/// as {"rel32": "$counter"}, and the assembly. A hole stands in the text as {counter}.
struct PayloadLine {
  std::vector<Json> code;
  std::string assembly;
};
using Payload = std::vector<PayloadLine>;

/// The payload of `action`; empty for `empty` and for actions that replace the instruction.
[[nodiscard]] Payload payload_of(const Action& action);

/// Appends the payload's bytes and holes to a template.
void append(Json& code, const Payload& payload);

}  // namespace punster
