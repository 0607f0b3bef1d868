// Which bytes of code differ from the original after start, and which instructions they belong to.

#pragma once

#include "frontend/verify/code_model.h"
#include "frontend/verify/failure_log.h"

namespace punster {

struct Changes {
  std::vector<AddressRange> runs;  ///< of differing bytes; ascending, disjoint, not adjacent
  std::vector<Insn> instructions;  ///< those that hold a differing byte; ascending
  std::vector<AddressRange>
      stray;  ///< differing bytes that are neither of a known instruction nor padding
  [[nodiscard]] std::uint64_t byte_count() const;
};

/// Compares every executable segment of the original with memory after start. Reports code that is
/// not mapped any more ("code_unmapped") and changed data or doubt ("data_changed").
[[nodiscard]] Changes find_changes(const PatchedImage& original, const PatchedImage& patched,
                                   const CodeKnowledge& code, FailureLog& log);

}  // namespace punster
