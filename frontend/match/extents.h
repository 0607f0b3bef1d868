// Basic blocks and functions, as far as they can be told without recovering all control flow:
// enough to choose where to measure, not to transform by. For BB.* and F.* of the match language.

#pragma once

#include <span>
#include <vector>

#include "frontend/image/code_map.h"
#include "frontend/match/match.h"

namespace punster {

class Extents {
 public:
  /// Decodes every instruction once. O(n log n).
  Extents(const Image& image, const CodeMap& code);

  /// What the instruction at `address` belongs to, or nullptr: no-operations that no flow reaches
  /// belong to no block. O(log n).
  [[nodiscard]] const Extent* find(ExtentKind kind, Vaddr address) const;

 private:
  struct Facts;
  void add_blocks(const CodeMap& code, const Facts& facts);
  void add_functions(const CodeMap& code, const Facts& facts);
  std::vector<Extent> blocks_, functions_;  // ascending, disjoint
};

}  // namespace punster
