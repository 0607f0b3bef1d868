// What every byte of the executable sections is held to be: code, data, padding or doubt.

#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "frontend/image/image.h"
#include "frontend/image/outside_evidence.h"
#include "protocol/instruction.h"

namespace punster {

enum class ByteClass : std::uint8_t { code, data, padding, doubt };
[[nodiscard]] const char* to_string(ByteClass c);

struct ClassRange {
  AddressRange range;
  ByteClass kind = ByteClass::doubt;
  const char* evidence = "";  // "descent", "unwind", "gap decodes into code", "nop padding", ...
};

enum class DoubtReason : std::uint8_t {
  unsupported,  // reads as code throughout, but not so surely that it must be
  undecodable,  // `at` holds no instruction
  cut_off,      // the instruction at `at` does not end with the stretch
  odd,          // the instruction at `at` is one that neither compilers nor sane people write
  disputed,     // two readings that are both certain overlap at `at`, or one ran into nonsense
  excluded,     // by the user, or a restartable sequence
};
/// "does not decode at 0x1234", ...: a half-sentence.
[[nodiscard]] std::string describe(DoubtReason reason, Vaddr at);

/// A stretch of doubt.
struct Doubt {
  AddressRange range;
  DoubtReason reason = DoubtReason::unsupported;
  Vaddr at;
  double bits = 0;        // of evidence for code, up to `at`; gap_threshold would be enough
  double confidence = 0;  // that all of it is code, from 0 to 1; 0 unless unsupported
};

struct CodeMap {
  /// Every instruction of proven code, ascending, disjoint. Only these can be sites.
  std::vector<Insn> instructions;
  /// Ascending, disjoint, and together exactly the code sections.
  std::vector<ClassRange> ranges;
  /// No-operations inside functions that no flow reaches, as whole instructions: they count as code
  /// and stand in `instructions`, but whoever does not patch them may use their bytes like padding.
  std::vector<AddressRange> unreached;
  /// Code that is reached otherwise than from the instruction before it or by a direct branch: from
  /// jump tables, landing pads, relocated and computed addresses. Ascending, unique.
  std::vector<Vaddr> entered;
  /// One for each range that is in doubt, in the same order.
  std::vector<Doubt> doubts;
  Bytes text, code, data, padding, doubt;  // text = code + data + padding + doubt

  /// The instruction that starts at `address`, or nullptr. O(log n).
  [[nodiscard]] const Insn* find(Vaddr address) const;
  /// What the byte at `address` is held to be; nothing outside the code sections. O(log n).
  [[nodiscard]] std::optional<ByteClass> class_at(Vaddr address) const;
  /// Up to two instruction starts: the last at or before `address` and the first after it.
  [[nodiscard]] std::vector<Vaddr> nearest(Vaddr address) const;
};

struct AnalysisOptions {
  unsigned jobs = 1;  // never changes the result
  std::function<void(std::uint64_t done, std::uint64_t total)>
      progress;             // bytes of text; may be empty
  OutsideEvidence outside;  // checked against the image
  bool use_unwind =
      true;  // false: as if the file had no .eh_frame (tests measure the rest with it)
};

/// Classifies the code of `image`. Deterministic. Linear in the size of the executable sections.
Result<CodeMap> analyse(const Image& image, const AnalysisOptions& options = {});

}  // namespace punster
