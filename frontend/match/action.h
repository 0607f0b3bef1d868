// Actions: what is done at a site.
//
//   PUNSTER_TRY(auto action, Action::parse("after count", {Syntax::att, names}));
//   PUNSTER_TRY(auto patch, Patch::compose({action, ...}));    // all actions of one site, in order
//   if (auto bytes = patch.in_place(insn.length()))
//     request.replace = *bytes;                               // one request per distinct
//     replacement
//   else
//     request.trampoline = patch.trampoline_name();           // defined once:
//     patch.trampoline_code() if (patch.needs_counter())
//     columns["$counter"].push_back(counter_value(slot address)); if (patch.needs_text()) append
//     both of text_values(assembly(...)) to "$asmstr", "$asmstrlen"; for each of patch.calls() what
//     code_of(call) says to the macros that it names, as a trampoline where call.uniform()
//
// Errors have the kind "bad_action"; message and `where` are made as in match.h.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/match/call_action.h"
#include "frontend/match/match.h"
#include "protocol/messages.h"
#include "protocol/result.h"

namespace punster {

enum class ActionKind : std::uint8_t {
  empty,         // nothing
  count,         // plain increment of the site's counter
  count_atomic,  // count(atomic)
  print,         // assembly text and a newline to stderr
  breakpoint,    // int3; alias trap
  exit,          // exit(N)
  signal,        // signal(SIG) to the thread
  leave,         // break: go on behind the instruction
  call,          // f(...)@FILE, if f(...)@FILE break, if f(...)@FILE goto
  nop,           // in place of the instruction: nothing
  bytes,         // bytes(31 c0 c3): in place of the instruction
  jump,          // jump(ADDR) or jump(symbol): in place of the instruction
};

/// Where it runs: `before f()@FILE`.
enum class ActionPosition : std::uint8_t { before, replace, after };

class Action {
 public:
  /// Without `options.names` only addresses are taken where a symbol may stand; without
  /// `options.files` there are no calls.
  static Result<Action> parse(std::string_view text, const MatchOptions& options = {});

  [[nodiscard]] ActionKind kind() const { return kind_; }
  [[nodiscard]] ActionPosition position() const { return position_; }
  /// Stands in for the instruction, as nop, bytes and jump always do.
  [[nodiscard]] bool replaces() const { return position_ == ActionPosition::replace; }
  /// Canonical text: "count(atomic)", "bytes(31c0c3)", "after jump(0x1139)".
  [[nodiscard]] std::string to_string() const;

  /// Of exit; of signal, its number.
  [[nodiscard]] int exit_status() const { return status_; }
  /// Of ActionKind::call.
  [[nodiscard]] const CallAction& call() const { return *call_; }
  [[nodiscard]] const std::shared_ptr<const CallAction>& shared_call() const { return call_; }
  [[nodiscard]] const std::string& replacement() const { return bytes_; }
  [[nodiscard]] Vaddr jump_target() const { return target_; }

 private:
  Action() = default;
  friend class ActionParser;
  ActionKind kind_ = ActionKind::empty;
  ActionPosition position_ = ActionPosition::before;
  int status_ = 0;
  std::shared_ptr<const CallAction> call_;
  std::string bytes_;
  Vaddr target_;
};

/// A call within a patch: which macros of the template it stands for.
struct PatchCall {
  std::shared_ptr<const CallAction> call;
  unsigned number = 0;  // for code_of
  /// Names of macros. `arguments` is a part of `code` where all around it is uniform, else empty;
  /// `data` is empty when there is never any.
  std::string code, arguments, data;
};

/// All actions of one site: those before the instruction in order, the instruction or what stands
/// in for it, those behind it in order.
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
  [[nodiscard]] const std::vector<PatchCall>& calls() const { return calls_; }
  /// Whether the template may be entered by a retargeted call: see
  /// TrampolineRequest::retarget_calls. Every payload qualifies: each moves rsp below the red zone
  /// before it writes, which is right wherever rsp points; calls say for themselves. What stands in
  /// for a call does not, nor does `break`: they would leave the return address on the stack.
  [[nodiscard]] bool retargets_calls() const { return retargets_calls_; }
  /// Whether the original instruction is still executed.
  [[nodiscard]] bool runs_instruction() const { return !replacement_; }

 private:
  Patch() = default;
  void add(const Action& action);
  void add_data();
  std::string name_;
  Json code_;
  std::vector<PatchCall> calls_;
  bool needs_counter_ = false, needs_text_ = false, retargets_calls_ = true;
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
