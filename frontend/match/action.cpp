#include "frontend/match/action.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "frontend/match/fault.h"
#include "protocol/hex.h"

namespace punster {
namespace {

constexpr std::array<std::string_view, 11> action_names = {"empty", "count", "print",  "breakpoint",
                                                           "trap",  "exit",  "signal", "break",
                                                           "nop",   "bytes", "jump"};

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

// The length of the word that `text` begins with.
std::size_t word_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() &&
         ((text[length] >= 'a' && text[length] <= 'z') || text[length] == '_'))
    ++length;
  return length;
}

// An action taken apart: `name` or `name(argument)`. The parts are views of `text`.
struct ActionText {
  std::string_view text, name, argument;
  bool has_argument = false;

  [[nodiscard]] Error fault(std::string_view part, const std::string& complaint) const {
    return fault_at("bad_action", text, static_cast<std::size_t>(part.data() - text.data()),
                    complaint);
  }
};

Result<ActionText> take_apart(std::string_view text, std::string_view action) {
  ActionText parts{text, action, {}, false};
  const std::size_t length = word_length(action);
  const std::string_view rest = trimmed(parts.name.substr(length));
  parts.name = parts.name.substr(0, length);
  if (length == 0)
    return parts.fault(rest.empty() ? text.substr(text.size()) : rest, "expected an action");
  if (rest.empty()) return parts;
  if (rest.front() != '(')
    return parts.fault(rest, "unexpected text after `" + std::string(parts.name) + "`");
  if (rest.back() != ')') return parts.fault(rest, "this parenthesis is not closed");
  parts.argument = trimmed(rest.substr(1, rest.size() - 2));
  parts.has_argument = true;
  return parts;
}

std::optional<std::uint64_t> number(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X") || text.starts_with("-0x"))
    return parse_hex(text);
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || text.empty() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

// 5, SIGTRAP, TRAP
std::optional<int> signal_number(std::string_view text) {
  if (const auto value = number(text))
    return *value >= 1 && *value <= 64 ? std::optional(static_cast<int>(*value)) : std::nullopt;
  if (text.starts_with("SIG")) text.remove_prefix(3);
  for (int signal = 1; signal < 32; ++signal)
    if (const char* name = ::sigabbrev_np(signal); name != nullptr && text == name) return signal;
  return std::nullopt;
}

}  // namespace

// One action; the position first, then what it is.
class ActionParser {
 public:
  ActionParser(std::string_view text, const MatchOptions& options)
      : text_(text), options_(options) {}

  Result<Action> run() {
    std::string_view rest = trimmed(text_);
    bool placed = false;
    for (const auto& [word, position] : {std::pair{"before", ActionPosition::before},
                                         {"replace", ActionPosition::replace},
                                         {"after", ActionPosition::after}}) {
      if (rest.substr(0, word_length(rest)) != word) continue;
      const std::string_view behind = trimmed(rest.substr(word_length(rest)));
      if (behind.empty() || behind.front() == '(') break;
      action_.position_ = position;
      rest = behind;
      placed = true;
      break;
    }
    if (CallAction::looks_like_one(rest)) {
      PUNSTER_TRY(
          auto call,
          CallAction::parse(text_, static_cast<std::size_t>(rest.data() - text_.data()), options_));
      action_.kind_ = ActionKind::call;
      action_.call_ = std::make_shared<const CallAction>(std::move(call));
      return std::move(action_);
    }
    PUNSTER_TRY(const auto parts, take_apart(text_, rest));
    PUNSTER_TRY(take(parts));
    if (action_.kind_ >= ActionKind::nop) {
      if (placed && action_.position_ != ActionPosition::replace)
        return parts.fault(parts.name, "`" + std::string(parts.name) +
                                           "` stands in place of the instruction, never " +
                                           "before or after it");
      action_.position_ = ActionPosition::replace;
    }
    return std::move(action_);
  }

 private:
  struct Known {
    std::string_view name;
    ActionKind kind;
    bool wants_argument;
  };

  Result<void> take(const ActionText& parts) {
    constexpr Known all[] = {{"empty", ActionKind::empty, false},
                             {"print", ActionKind::print, false},
                             {"breakpoint", ActionKind::breakpoint, false},
                             {"trap", ActionKind::breakpoint, false},
                             {"break", ActionKind::leave, false},
                             {"nop", ActionKind::nop, false},
                             {"exit", ActionKind::exit, true},
                             {"signal", ActionKind::signal, true},
                             {"bytes", ActionKind::bytes, true},
                             {"jump", ActionKind::jump, true}};
    const std::string_view name = parts.name, argument = parts.argument;
    if (name == "count") {
      if (parts.has_argument && argument != "atomic")
        return parts.fault(argument, "expected `count` or `count(atomic)`");
      action_.kind_ = parts.has_argument ? ActionKind::count_atomic : ActionKind::count;
      return success();
    }
    const Known* known = std::find_if(std::begin(all), std::end(all),
                                      [&](const Known& k) { return k.name == name; });
    if (known == std::end(all)) return unknown(parts);
    action_.kind_ = known->kind;
    if (!known->wants_argument && parts.has_argument)
      return parts.fault(argument, "`" + std::string(name) + "` takes nothing in parentheses");
    if (known->wants_argument && !parts.has_argument)
      return parts.fault(text_.substr(text_.size()),
                         "`" + std::string(name) + "` wants something in parentheses");
    return known->wants_argument ? take_argument(parts) : success();
  }

  static Error unknown(const ActionText& parts) {
    const std::string name(parts.name);
    if (parts.has_argument)
      return parts.fault(parts.name, "unknown action `" + name + "`" +
                                         did_you_mean(parts.name, action_names) +
                                         "; a call of your own function is f(...)@FILE");
    const auto hint = did_you_mean(parts.name, action_names);
    return parts.fault(parts.name,
                       "unknown action `" + name + "`" +
                           (hint.empty() ? "; there are empty, count, count(atomic), print, "
                                           "breakpoint, exit(N), signal(SIG), break, nop, "
                                           "bytes(HEX), jump(ADDRESS), f(...)@FILE"
                                         : hint));
  }

  Result<void> take_argument(const ActionText& parts) {
    const std::string_view argument = parts.argument;
    if (action_.kind_ == ActionKind::exit) {
      const auto status = number(argument);
      if (!status || *status > 255)
        return parts.fault(argument, "an exit status is a number from 0 to 255");
      action_.status_ = static_cast<int>(*status);
    } else if (action_.kind_ == ActionKind::signal) {
      const auto signal = signal_number(argument);
      if (!signal) return parts.fault(argument, "expected a signal such as SIGTRAP, or its number");
      action_.status_ = *signal;
    } else if (action_.kind_ == ActionKind::bytes) {
      const auto bytes = parse_hex_bytes(argument);
      if (!bytes || bytes->empty())
        return parts.fault(argument,
                           "expected pairs of hexadecimal digits, as in `bytes(31 c0 c3)`");
      action_.bytes_ = *bytes;
    } else if (const auto address = number(argument)) {
      action_.target_ = Vaddr{*address};
    } else if (const auto resolved = options_.names ? options_.names(argument) : std::nullopt) {
      action_.target_ = *resolved;
    } else {
      return parts.fault(argument, argument.empty()
                                       ? "expected an address or the name of a symbol"
                                       : "no symbol `" + std::string(argument) + "` to jump to");
    }
    return success();
  }

  const std::string_view text_;
  const MatchOptions& options_;
  Action action_;
};

Result<Action> Action::parse(std::string_view text, const MatchOptions& options) {
  return ActionParser(text, options).run();
}

std::string Action::to_string() const {
  const std::string where = kind_ >= ActionKind::nop || position_ == ActionPosition::before ? ""
                            : position_ == ActionPosition::after ? "after "
                                                                 : "replace ";
  switch (kind_) {
    case ActionKind::empty:
      return where + "empty";
    case ActionKind::count:
      return where + "count";
    case ActionKind::count_atomic:
      return where + "count(atomic)";
    case ActionKind::print:
      return where + "print";
    case ActionKind::breakpoint:
      return where + "breakpoint";
    case ActionKind::exit:
      return where + "exit(" + std::to_string(status_) + ")";
    case ActionKind::signal:
      return where + "signal(" + std::to_string(status_) + ")";
    case ActionKind::leave:
      return where + "break";
    case ActionKind::call:
      return where + call_->text;
    case ActionKind::nop:
      return "nop";
    case ActionKind::bytes: {
      const auto* data = reinterpret_cast<const std::uint8_t*>(bytes_.data());
      return "bytes(" + to_hex(std::span(data, bytes_.size())) + ")";
    }
    case ActionKind::jump:
      return "jump(" + to_hex(target_) + ")";
  }
  return "";
}

}  // namespace punster
