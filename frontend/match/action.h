// Actions: what is done at a site.
//
//   PUNSTER_TRY(auto action, Action::parse("count", names));
//   PUNSTER_TRY(auto patch, Patch::compose({action, ...}));    // all actions of one site, in order
//   if (auto bytes = patch.in_place(insn.length()))
//     request.replace = *bytes;                               // one request per distinct
//     replacement
//   else
//     request.trampoline = patch.trampoline_name();           // defined once:
//     patch.trampoline_code() if (patch.needs_counter())
//     columns["$counter"].push_back(counter_value(slot address)); if (patch.needs_text()) append
//     both of text_values(assembly(...)) to "$asmstr", "$asmstrlen"
//
// Errors have the kind "bad_action"; message and `where` are made as in match.h.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/match/match.h"
#include "protocol/messages.h"
#include "protocol/result.h"

namespace punster {

enum class ActionKind : std::uint8_t {
  empty,         // run the displaced instruction, nothing else
  count,         // plain increment of the site's counter
  count_atomic,  // count(atomic)
  print,         // assembly text and a newline to stderr
  breakpoint,    // int3 before the instruction; alias trap
  exit,          // exit(N)
  nop,           // in place of the instruction: nothing
  bytes,         // bytes(31 c0 c3): in place of the instruction
  jump,          // jump(ADDR) or jump(symbol): in place of the instruction
};

class Action {
 public:
  /// `names` resolves the symbol of jump(symbol); without it only addresses are taken.
  static Result<Action> parse(std::string_view text, const NameResolver& names = nullptr);

  [[nodiscard]] ActionKind kind() const { return kind_; }
  /// nop, bytes and jump stand in for the instruction.
  [[nodiscard]] bool replaces() const { return kind_ >= ActionKind::nop; }
  /// Canonical text: "count(atomic)", "bytes(31c0c3)", "jump(0x1139)".
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] int exit_status() const { return status_; }
  [[nodiscard]] const std::string& replacement() const { return bytes_; }
  [[nodiscard]] Vaddr jump_target() const { return target_; }

 private:
  Action() = default;
  ActionKind kind_ = ActionKind::empty;
  int status_ = 0;
  std::string bytes_;
  Vaddr target_;
};

/// All actions of one site. They run in order before the instruction, or before what stands in for
/// it.
class Patch {
 public:
  /// Errors: kind "bad_action" when two actions replace the instruction. None: like `empty`.
  static Result<Patch> compose(const std::vector<Action>& actions);

  /// The bytes to write over an instruction of `length` bytes (the rest becomes NOPs), for
  /// PatchesRequest::replace; nothing when it takes a trampoline.
  [[nodiscard]] std::optional<std::string> in_place(unsigned length) const;
  /// "$count", "$count+print": the same actions have the same name.
  [[nodiscard]] const std::string& trampoline_name() const { return name_; }
  /// The template, a JSON array in the template language; see TrampolineRequest.
  [[nodiscard]] const Json& trampoline_code() const { return code_; }

  [[nodiscard]] bool needs_counter() const { return needs_counter_; }  // column "$counter"
  [[nodiscard]] bool needs_text() const { return needs_text_; }  // columns "$asmstr", "$asmstrlen"
  /// Whether the template may be entered by a retargeted call: see TrampolineRequest::retarget_calls.
  /// Every payload qualifies: each moves rsp below the red zone before it writes, which is right wherever
  /// rsp points. What stands in for a call does not: it would leave the return address on the stack.
  [[nodiscard]] bool retargets_calls() const { return !replacement_; }
  /// Whether the original instruction is still executed.
  [[nodiscard]] bool runs_instruction() const { return !replacement_; }

 private:
  Patch() = default;
  std::string name_;
  Json code_;
  bool needs_counter_ = false, needs_text_ = false;
  std::optional<Action> replacement_;
  bool only_replaces_ = false;
};

inline constexpr const char* counter_column = "$counter";
inline constexpr const char* text_column = "$asmstr";
inline constexpr const char* text_length_column = "$asmstrlen";

/// The value of counter_column for a slot at `slot` (link-time).
[[nodiscard]] Json counter_value(Vaddr slot);
/// The values of text_column and text_length_column; adds the newline.
[[nodiscard]] std::pair<Json, Json> text_values(std::string_view assembly);

}  // namespace punster
