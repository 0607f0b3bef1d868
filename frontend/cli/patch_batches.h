// Sites as `patches` requests: those of one treatment go together, in address order, a batch at a
// time.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "frontend/cli/selection.h"
#include "protocol/messages.h"

namespace punster {

class PatchBatches {
 public:
  /// Borrows both.
  PatchBatches(const Subject& subject, const Selection& selection, bool intel_syntax);

  /// Slot 0 of the counters stands at `slots`. Needed when any site counts.
  void count_from(Vaddr slots) { slots_ = slots; }

  /// Where each hook file stands that a call names, by its path.
  void hooks_at(std::map<std::string, Vaddr> hooks) { hooks_ = std::move(hooks); }

  /// The templates that the batches name. Errors: "bad_action", of a call without a fitting
  /// function.
  [[nodiscard]] Result<std::vector<TrampolineRequest>> trampolines() const;

  /// The next request, or nothing when every site was in one. Errors: likewise.
  [[nodiscard]] Result<std::optional<PatchesRequest>> next();

 private:
  /// Sites that one request may hold together.
  struct Family {
    std::string trampoline;
    std::optional<std::string> replacement;
    bool trap = false;
    std::vector<std::uint32_t> sites;  // indices into Selection::sites, ascending
  };
  Result<void> add_columns(PatchesRequest& request, std::uint32_t site) const;
  [[nodiscard]] Result<CallCode> code_at(const PatchCall& use, std::uint32_t site) const;

  const Subject& subject_;
  const Selection& selection_;
  const ImageContext context_;
  Syntax syntax_;
  Vaddr slots_;
  std::map<std::string, Vaddr> hooks_;
  std::vector<Family> families_;
  std::vector<std::uint32_t> slot_of_;  // per site, meaningless where nothing counts; or empty
  std::size_t family_ = 0, done_ = 0;   // of families_, and of the family's sites
};

}  // namespace punster
