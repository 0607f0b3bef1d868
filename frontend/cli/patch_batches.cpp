#include "frontend/cli/patch_batches.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "frontend/cli/client.h"

namespace punster {

PatchBatches::PatchBatches(const Subject& subject, const Selection& selection, bool intel_syntax)
    : subject_(subject),
      selection_(selection),
      context_(subject.image, subject.code),
      syntax_(intel_syntax ? Syntax::intel : Syntax::att) {
  const auto& treatments = selection.treatments;
  if (std::any_of(treatments.begin(), treatments.end(),
                  [](const Treatment& t) { return t.patch.needs_counter(); }))
    slot_of_.resize(selection.sites.size());
  std::map<std::tuple<std::string, std::optional<std::string>, bool>, std::size_t> index;
  std::uint32_t slots = 0;
  for (std::uint32_t i = 0; i < selection.sites.size(); ++i) {
    const Site& site = selection.sites[i];
    const Patch& patch = selection.patch_of(site);
    if (patch.needs_counter()) slot_of_[i] = slots++;
    const bool trap = subject.only_traps(site.insn.address());
    auto replacement = trap ? std::nullopt : patch.in_place(site.insn.length());
    std::string trampoline = replacement ? "" : patch.trampoline_name();
    const auto [known, fresh] =
        index.try_emplace({trampoline, replacement, trap}, families_.size());
    if (fresh) families_.push_back({std::move(trampoline), std::move(replacement), trap, {}});
    families_[known->second].sites.push_back(i);
  }
}

Result<CallCode> PatchBatches::code_at(const PatchCall& use, std::uint32_t site) const {
  const ImageKind kind = subject_.image.kind();
  CallSite at;
  at.insn = selection_.sites[site].insn;
  at.id = site;
  at.context = &context_;
  at.syntax = syntax_;
  at.hook = hooks_.at(use.call->file->path());
  at.relocated = kind != ImageKind::exec && kind != ImageKind::static_exec;
  return code_of(*use.call, at, use.number);
}

Result<std::vector<TrampolineRequest>> PatchBatches::trampolines() const {
  std::vector<TrampolineRequest> result;
  std::set<std::string> defined;
  for (const Family& family : families_) {
    if (family.replacement || !defined.insert(family.trampoline).second) continue;
    const Patch& patch = selection_.patch_of(selection_.sites[family.sites.front()]);
    result.push_back({family.trampoline, patch.trampoline_code(), patch.retargets_calls()});
    for (const PatchCall& use : patch.calls()) {
      const bool uniform = use.call->uniform();
      if ((!uniform && use.arguments.empty()) || !defined.insert(use.code).second) continue;
      PUNSTER_TRY(auto code, code_at(use, family.sites.front()));
      Json arguments = uniform ? std::move(code.arguments) : Json(use.arguments);
      result.push_back({use.code, Json::array({code.enter, arguments, code.leave}), false});
      if (uniform && !use.data.empty()) result.push_back({use.data, std::move(code.data), false});
    }
  }
  return result;
}

Result<void> PatchBatches::add_columns(PatchesRequest& request, std::uint32_t site) const {
  const Insn insn = selection_.sites[site].insn;
  const Patch& patch = selection_.patch_of(selection_.sites[site]);
  if (patch.needs_counter())
    request.columns[counter_column].push_back(
        counter_value(slots_ + Bytes{std::uint64_t{8} * slot_of_[site]}));
  if (patch.needs_text()) {
    const auto bytes = subject_.image.bytes_at(insn.address(), Bytes{insn.length()});
    auto [text, length] = text_values(assembly(bytes, insn.address(), syntax_));
    request.columns[text_column].push_back(std::move(text));
    request.columns[text_length_column].push_back(std::move(length));
  }
  for (const PatchCall& use : patch.calls()) {
    if (use.call->uniform()) continue;
    PUNSTER_TRY(auto code, code_at(use, site));
    if (use.arguments.empty())
      request.columns[use.code].push_back(Json::array({code.enter, code.arguments, code.leave}));
    else
      request.columns[use.arguments].push_back(std::move(code.arguments));
    if (!use.data.empty()) request.columns[use.data].push_back(std::move(code.data));
  }
  return success();
}

Result<std::optional<PatchesRequest>> PatchBatches::next() {
  if (family_ == families_.size()) return std::optional<PatchesRequest>();
  const Family& family = families_[family_];
  PatchesRequest request;
  request.trampoline = family.trampoline;
  request.replace = family.replacement;
  request.trap = family.trap;
  const std::size_t end = std::min(done_ + batch_elements, family.sites.size());
  request.address = selection_.sites[family.sites[done_]].insn.address();
  Vaddr previous = request.address;
  for (; done_ < end; ++done_) {
    const Vaddr address = selection_.sites[family.sites[done_]].insn.address();
    request.deltas.push_back(static_cast<std::int64_t>((address - previous).value));
    previous = address;
    if (family.replacement) continue;
    PUNSTER_TRY(add_columns(request, family.sites[done_]));
  }
  if (done_ == family.sites.size()) {
    ++family_;
    done_ = 0;
  }
  return std::optional(std::move(request));
}

}  // namespace punster
