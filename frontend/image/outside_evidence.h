// What somebody else knows about the code: another disassembler's addresses, a person's ranges.

#pragma once

#include "frontend/image/image.h"

namespace punster {

/// Believed before anything that the file itself says. Where direct flow from it contradicts itself
/// or what else is certain, the bytes are doubt, as always.
struct OutsideEvidence {
  std::vector<AddressRange> code;  // instructions from the first byte to the last
  std::vector<AddressRange> data;  // never code, whatever leads there
  std::vector<Vaddr> starts;       // of instructions, ascending, unique
  [[nodiscard]] bool empty() const { return code.empty() && data.empty() && starts.empty(); }
};

/// Whether all of it can be true of `image`. Errors, kind "bad_evidence", with the address: outside
/// the executable sections, code that is also data, no instruction at a start, two starts of which
/// one is inside the other's instruction.
[[nodiscard]] Result<void> check(const OutsideEvidence& evidence, const Image& image);

}  // namespace punster
