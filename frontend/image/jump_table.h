// Recognises the code that compilers make of `switch`, and reads its table.

#pragma once

#include <vector>

#include "frontend/image/claims.h"

namespace punster {

struct JumpTable {
  Vaddr address;
  Bytes size;
  std::vector<Vaddr> targets;  // ascending, unique
};

/// The table behind the claimed indirect jump at `jump`, or nothing when its form is not
/// recognised or an entry leads to what cannot be an instruction.
[[nodiscard]] std::optional<JumpTable> read_jump_table(const Image& image, Claims& claims,
                                                       const Spot& jump);

}  // namespace punster
