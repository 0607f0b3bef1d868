// What the actions of one site come to: BEFORE, the instruction or what replaces it, AFTER, and the
// way back.

#include <algorithm>

#include "frontend/match/action.h"
#include "frontend/match/code_writer.h"
#include "frontend/match/payloads.h"
#include "protocol/sha256.h"

namespace punster {

namespace {

/// A name that the protocol takes, whatever paths stand in it: a long one is cut, and told apart
/// from others by its hash.
std::string macro_name(const std::string& text) {
  constexpr std::size_t longest = 120;
  if (text == "break") return "$skip";  // $break is built in
  if (text.size() <= longest) return "$" + text;
  return "$" + text.substr(0, longest - 16) + sha256_hex(text).substr(0, 16);
}

}  // namespace

void Patch::add(const Action& action) {
  needs_counter_ |= action.kind() == ActionKind::count || action.kind() == ActionKind::count_atomic;
  needs_text_ |= action.kind() == ActionKind::print;
  if (action.kind() == ActionKind::leave) {
    code_.push_back("$break");
    retargets_calls_ = false;
  }
  if (action.kind() != ActionKind::call) return append(code_, payload_of(action));
  const auto call = action.shared_call();
  PatchCall use{call, static_cast<unsigned>(calls_.size()), "", "", ""};
  const std::string name = std::to_string(use.number) + ":" + call->text;
  use.code = macro_name("call" + name);
  if (!call->uniform() && call->uniform_around()) use.arguments = macro_name("args" + name);
  if (call->may_have_data()) use.data = macro_name("data" + name);
  code_.push_back(use.code);
  retargets_calls_ = retargets_calls_ && call->retargets_calls();
  calls_.push_back(std::move(use));
}

Result<Patch> Patch::compose(const std::vector<Action>& actions) {
  Patch patch;
  patch.code_ = Json::array({".Lbody"});
  bool before = false, after = false;
  for (const auto& action : actions) {
    if (action.kind() == ActionKind::empty && !action.replaces()) continue;
    patch.name_ += (patch.name_.empty() ? "" : "+") + action.to_string();
    before |= action.position() == ActionPosition::before;
    after |= action.position() == ActionPosition::after;
    if (!action.replaces()) continue;
    if (patch.replacement_)
      return error("bad_action", "`" + patch.replacement_->to_string() + "` and `" +
                                     action.to_string() +
                                     "` both stand in for the instruction; only one can");
    patch.replacement_ = action;
    patch.retargets_calls_ = false;
  }
  patch.name_ = macro_name(patch.name_.empty() ? "empty" : patch.name_);
  const auto add_all = [&](ActionPosition position) {
    for (const auto& action : actions)
      if (action.position() == position) patch.add(action);
  };
  add_all(ActionPosition::before);
  if (!patch.replacement_) {
    patch.code_.push_back("$instr");
  } else if (patch.replacement_->kind() == ActionKind::bytes) {
    for (const char byte : patch.replacement_->replacement())
      patch.code_.push_back(static_cast<std::uint8_t>(byte));
  } else if (patch.replacement_->kind() == ActionKind::jump) {
    patch.code_.push_back(0xe9);
    patch.code_.push_back({{"rel32", address_value(patch.replacement_->jump_target())}});
  } else {
    patch.add(*patch.replacement_);
  }
  if (!patch.replacement_ || patch.replacement_->kind() != ActionKind::jump) {
    add_all(ActionPosition::after);
    patch.code_.push_back("$break");
  }
  patch.only_replaces_ = patch.replacement_ && !before && !after;
  patch.add_data();
  return patch;
}

void Patch::add_data() {
  const bool labelled = std::any_of(calls_.begin(), calls_.end(), [](const PatchCall& use) {
    return std::any_of(use.call->arguments.begin(), use.call->arguments.end(),
                       [](const auto& a) { return a.kind == CallArgument::Kind::trampoline; });
  });
  if (!labelled) code_.erase(code_.begin());
  for (const PatchCall& use : calls_)
    if (!use.data.empty()) code_.push_back(use.data);
  if (!needs_text_) return;
  // One copy serves every print of the site.
  code_.push_back(".Lasmstr");
  code_.push_back(text_column);
}

std::optional<std::string> Patch::in_place(unsigned length) const {
  if (!only_replaces_) return std::nullopt;
  switch (replacement_->kind()) {
    case ActionKind::nop:
    case ActionKind::empty:
    case ActionKind::leave:
      return "";
    case ActionKind::bytes:
      if (replacement_->replacement().size() <= length) return replacement_->replacement();
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

Json counter_value(Vaddr slot) {
  return address_value(slot);
}

std::pair<Json, Json> text_values(std::string_view assembly) {
  std::string line(assembly);
  line += '\n';
  const std::size_t length = line.size();
  return {Json{{"string", std::move(line)}}, Json(length)};
}

}  // namespace punster
