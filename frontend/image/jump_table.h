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

class JumpTableReader {
 public:
  JumpTableReader(const Image& image, Claims& claims) : image_(image), claims_(claims) {}

  /// The table behind the claimed indirect jump at `jump`, or nothing when its form is not
  /// recognised or an entry leads to what cannot be an instruction. Fast when asked for jumps in
  /// ascending order.
  [[nodiscard]] std::optional<JumpTable> read(const Spot& jump);

 private:
  struct Part {
    const Region* region = nullptr;
    std::size_t lo = 0, hi = 0;
  };
  [[nodiscard]] const Part& reachable_from(const Spot& jump);

  const Image& image_;
  Claims& claims_;
  Part part_;  // the last answer
};

}  // namespace punster
