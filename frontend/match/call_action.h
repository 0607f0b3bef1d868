// A call of user code: `f(rax, asm)@FILE`, `if f(addr)@FILE break`, `if f()@FILE goto`.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/hook/hook_file.h"
#include "frontend/match/call_argument.h"
#include "protocol/messages.h"

namespace punster {

struct CallAction {
  enum class Condition : std::uint8_t { none, leave, go } condition = Condition::none;
  bool naked = false;  // f<naked>(...): nothing is saved but the registers of the arguments
  std::string function;
  std::vector<CallArgument> arguments;
  std::shared_ptr<const HookFile> file;
  std::string text;  // as it was written, for names and messages

  static constexpr std::size_t most_arguments = 8, most_naked_arguments = 6;

  /// The part of an action's text from `from` on. Reads FILE. Errors: "bad_action", with the
  /// column.
  static Result<CallAction> parse(std::string_view text, std::size_t from,
                                  const MatchOptions& options);
  /// Whether `text` can be nothing but a call.
  [[nodiscard]] static bool looks_like_one(std::string_view text);

  /// Whether it is made by the same code at every site.
  [[nodiscard]] bool uniform() const;
  /// Whether all but the arguments is: then these alone need be sent for every site.
  [[nodiscard]] bool uniform_around() const;
  [[nodiscard]] bool may_have_data() const;
  /// Whether it may be entered with a return address on the stack, and leaves only at its end.
  [[nodiscard]] bool retargets_calls() const;
};

/// A site, as the code of a call needs to see it.
struct CallSite {
  Insn insn;
  std::uint32_t id = 0;  // of the site, among all
  const MatchContext* context = nullptr;
  Syntax syntax = Syntax::att;
  Vaddr hook;             // where the file's address 0 stands
  bool relocated = true;  // the program may run elsewhere than where it is linked
};

/// What a call adds to a body: code in its place, in three parts, and data that stands behind the
/// body. Each is an array.
struct CallCode {
  Json enter, arguments, leave, data;
};

/// `number` tells the calls of one body apart. Errors: "bad_action" with the address, when no
/// overload takes what the arguments are here.
Result<CallCode> code_of(const CallAction& call, const CallSite& site, unsigned number);

}  // namespace punster
