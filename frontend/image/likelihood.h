// How much likelier bytes are as code than as data, in bits.

#pragma once

#include <vector>

#include "frontend/image/descent.h"

namespace punster {

class Likelihood {
 public:
  /// Learns from the forms that proven code uses. See the essay in likelihood.cpp.
  explicit Likelihood(const Findings& findings);

  /// log2(P(instruction | code) / P(bytes | data)) of the opcode of one instruction. About -15 to
  /// +20. Precondition: `info` is valid and `bytes` begins with it.
  [[nodiscard]] double bits(const FlowInfo& info, std::span<const std::uint8_t> bytes) const;

 private:
  std::vector<float> code_bits_;  // log2 P(form | code)
};

}  // namespace punster
