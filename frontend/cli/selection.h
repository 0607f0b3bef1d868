// From -M and -P to sites: which instructions are patched, and each with what.

#pragma once

#include <vector>

#include "frontend/cli/options.h"
#include "frontend/image/code_map.h"
#include "frontend/image/image.h"
#include "frontend/match/action.h"
#include "frontend/match/image_context.h"
#include "frontend/match/match.h"
#include "protocol/instruction.h"
#include "protocol/service/strict_service.h"

namespace punster {

/// The input, read and analysed.
struct Subject {
  Image image;
  CodeMap code;
  double seconds = 0;       // that it took
  bool trap_doubt = false;  // doubtful instructions may be trapped, and nothing else

  /// `progress` hears of the phase "analyse". Errors of `evidence`: "bad_evidence", and
  /// "bad_expression" for a list that cannot be read.
  /// Whether nothing but a trap may stand at `address`.
  [[nodiscard]] bool only_traps(Vaddr address) const {
    return trap_doubt && code.class_at(address) == ByteClass::doubt;
  }

  static Result<Subject> load(const std::string& path, const EvidenceOptions& evidence,
                              unsigned jobs, const ProgressSink& progress);
};

/// A group with its texts compiled.
struct CompiledGroup {
  Match match;
  std::vector<Action> actions;
};

/// More groups than a site's membership has bits are refused.
inline constexpr std::size_t max_groups = 64;

/// `files`: whether expressions may name files. Errors: "bad_expression", "bad_action", "usage".
Result<std::vector<CompiledGroup>> compile(const std::vector<ActionGroup>& groups,
                                           const Image& image, bool intel_syntax,
                                           bool files = true);

/// What is done at some of the sites: the actions of all groups that matched them, in order.
struct Treatment {
  std::vector<Action> actions;
  Patch patch;
};

struct Site {
  Insn insn;
  std::uint32_t treatment = 0;  // index into Selection::treatments
};

struct Selection {
  std::vector<Treatment> treatments;
  std::vector<Site> sites;  // ascending

  [[nodiscard]] const Patch& patch_of(const Site& site) const {
    return treatments[site.treatment].patch;
  }
  /// The addresses that count, ascending: slot k of the counters file is counted() [k].
  [[nodiscard]] std::vector<Vaddr> counted() const;
};

/// Applies every group to every instruction, on `jobs` threads. Errors: "bad_action" when the
/// groups that match one site want it replaced in two ways.
Result<Selection> select(const std::vector<CompiledGroup>& groups, const Subject& subject,
                         unsigned jobs);

/// Why nothing matched: for addresses that an expression names, what stands there and the nearest
/// instruction starts. Kind "no_match".
[[nodiscard]] Error nothing_matched(const std::vector<std::string>& expressions,
                                    const Subject& subject);
[[nodiscard]] Error nothing_matched(const std::vector<ActionGroup>& groups, const Subject& subject);

}  // namespace punster
