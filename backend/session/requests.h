// What a client asked for so far: instructions, padding, trampolines, sites.

#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "backend/trampoline/template.h"
#include "protocol/instruction.h"
#include "protocol/messages.h"

namespace punster {

/// One site as requested. `batch` and `row` name its metadata.
struct PatchRequest {
  Vaddr address;
  std::uint32_t batch = 0, row = 0;
};

/// Everything a session was told, in the order of arrival until `settle()`.
class Requests {
 public:
  Result<void> define(const TrampolineRequest& request);
  Result<void> add(const InstructionsRequest& request);
  Result<void> add(const PaddingRequest& request);
  /// The trampoline may be defined later.
  Result<void> add(const PatchesRequest& request);

  /// Sorts and checks: instructions may not overlap, padding not meet instructions, a site must be
  /// a known instruction and be asked for once, its trampoline defined. Idempotent. Errors:
  /// "overlap", "unknown_instruction", "duplicate_site", "unknown_trampoline", at the address.
  Result<void> settle();

  // Valid after settle(), ascending by address.
  [[nodiscard]] const std::vector<Insn>& instructions() const { return instructions_; }
  [[nodiscard]] const std::vector<AddressRange>& padding() const { return padding_; }
  [[nodiscard]] const std::vector<PatchRequest>& patches() const { return patches_; }
  /// Index of the instruction at `address`, or nothing.
  [[nodiscard]] std::optional<std::uint32_t> find(Vaddr address) const;

  [[nodiscard]] const PatchesRequest& batch_of(const PatchRequest& patch) const {
    return batches_[patch.batch];
  }
  /// Nullptr when the patch replaces bytes in place.
  [[nodiscard]] const Template* template_of(const PatchRequest& patch) const;
  [[nodiscard]] const Template* trampoline(std::string_view name) const;
  /// Whether the patch's template may be entered by a retargeted call.
  [[nodiscard]] bool may_retarget_calls(const PatchRequest& patch) const {
    return batch_retargets_[patch.batch];
  }

  /// A digest of every request, for the build key.
  [[nodiscard]] std::string digest() const;

 private:
  Result<void> settle_instructions();
  Result<void> settle_padding();
  Result<void> settle_patches();

  std::vector<Insn> instructions_;
  std::vector<AddressRange> padding_;
  std::vector<PatchRequest> patches_;
  std::deque<PatchesRequest> batches_;
  std::vector<const Template*> batch_templates_;
  std::vector<bool> batch_retargets_;
  std::map<std::string, Template, std::less<>> templates_;
  std::map<std::string, std::string, std::less<>> template_texts_;
  std::set<std::string, std::less<>> retargeting_;  // names of templates
  bool settled_ = false;
};

/// The macros of one site: its row of the batch's columns, then trampolines.
class PatchMacros : public MacroScope {
 public:
  PatchMacros(const Requests& requests, const PatchRequest& patch)
      : requests_(requests), patch_(patch) {}
  [[nodiscard]] const Json* metadata(std::string_view name) const override;
  [[nodiscard]] const Template* trampoline(std::string_view name) const override {
    return requests_.trampoline(name);
  }

 private:
  const Requests& requests_;
  const PatchRequest& patch_;
};

}  // namespace punster
