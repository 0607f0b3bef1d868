#include "frontend/match/action.h"

#include <array>
#include <charconv>

#include "frontend/match/fault.h"
#include "frontend/match/payloads.h"
#include "protocol/hex.h"

namespace punster {
namespace {

constexpr std::array<std::string_view, 9> action_names = {
    "empty", "count", "print", "breakpoint", "trap", "exit", "nop", "bytes", "jump"};

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
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

Result<ActionText> take_apart(std::string_view text) {
  ActionText parts{text, trimmed(text), {}, false};
  std::size_t length = 0;
  while (length < parts.name.size() &&
         ((parts.name[length] >= 'a' && parts.name[length] <= 'z') || parts.name[length] == '_'))
    ++length;
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

// Addresses as JSON: a number where JSON keeps its bits, else a string, which any client can hold.
Json address_value(Vaddr address) {
  if (address.value < 1ull << 53) return address.value;
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, address.value, 16).ptr;
  return "0x" + std::string(digits, end);
}

}  // namespace

Result<Action> Action::parse(std::string_view text, const NameResolver& names) {
  PUNSTER_TRY(const auto parts, take_apart(text));
  const std::string_view name = parts.name, argument = parts.argument;
  Action action;
  bool wants_argument = false;
  if (name == "empty") {
    action.kind_ = ActionKind::empty;
  } else if (name == "count") {
    action.kind_ = ActionKind::count;
    if (parts.has_argument) {
      if (argument != "atomic") return parts.fault(argument, "expected `count` or `count(atomic)`");
      action.kind_ = ActionKind::count_atomic;
      return action;
    }
  } else if (name == "print") {
    action.kind_ = ActionKind::print;
  } else if (name == "breakpoint" || name == "trap") {
    action.kind_ = ActionKind::breakpoint;
  } else if (name == "nop") {
    action.kind_ = ActionKind::nop;
  } else if (name == "exit") {
    action.kind_ = ActionKind::exit;
    wants_argument = true;
  } else if (name == "bytes") {
    action.kind_ = ActionKind::bytes;
    wants_argument = true;
  } else if (name == "jump") {
    action.kind_ = ActionKind::jump;
    wants_argument = true;
  } else {
    const auto hint = did_you_mean(name, action_names);
    return parts.fault(name,
                       "unknown action `" + std::string(name) + "`" +
                           (hint.empty() ? "; there are empty, count, count(atomic), print, "
                                           "breakpoint, exit(N), nop, bytes(HEX), jump(ADDRESS)"
                                         : hint));
  }
  if (!wants_argument && parts.has_argument)
    return parts.fault(argument, "`" + std::string(name) + "` takes nothing in parentheses");
  if (!wants_argument) return action;
  if (!parts.has_argument)
    return parts.fault(text.substr(text.size()),
                       "`" + std::string(name) + "` wants something in parentheses");

  if (action.kind_ == ActionKind::exit) {
    const auto status = number(argument);
    if (!status || *status > 255)
      return parts.fault(argument, "an exit status is a number from 0 to 255");
    action.status_ = static_cast<int>(*status);
  } else if (action.kind_ == ActionKind::bytes) {
    const auto bytes = parse_hex_bytes(argument);
    if (!bytes || bytes->empty())
      return parts.fault(argument, "expected pairs of hexadecimal digits, as in `bytes(31 c0 c3)`");
    action.bytes_ = *bytes;
  } else if (const auto address = number(argument)) {
    action.target_ = Vaddr{*address};
  } else if (const auto resolved = names ? names(argument) : std::nullopt) {
    action.target_ = *resolved;
  } else {
    return parts.fault(argument, argument.empty()
                                     ? "expected an address or the name of a symbol"
                                     : "no symbol `" + std::string(argument) + "` to jump to");
  }
  return action;
}

std::string Action::to_string() const {
  switch (kind_) {
    case ActionKind::empty:
      return "empty";
    case ActionKind::count:
      return "count";
    case ActionKind::count_atomic:
      return "count(atomic)";
    case ActionKind::print:
      return "print";
    case ActionKind::breakpoint:
      return "breakpoint";
    case ActionKind::exit:
      return "exit(" + std::to_string(status_) + ")";
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

Result<Patch> Patch::compose(const std::vector<Action>& actions) {
  Patch patch;
  patch.code_ = Json::array();
  patch.only_replaces_ = true;
  for (const auto& action : actions) {
    if (action.kind() == ActionKind::empty) continue;
    patch.name_ += (patch.name_.empty() ? "$" : "+") + action.to_string();
    if (action.replaces()) {
      if (patch.replacement_)
        return error("bad_action", "`" + patch.replacement_->to_string() + "` and `" +
                                       action.to_string() +
                                       "` both stand in for the instruction; only one can");
      patch.replacement_ = action;
      continue;
    }
    patch.only_replaces_ = false;
    append(patch.code_, payload_of(action));
    patch.needs_counter_ |=
        action.kind() == ActionKind::count || action.kind() == ActionKind::count_atomic;
    patch.needs_text_ |= action.kind() == ActionKind::print;
  }
  if (patch.name_.empty()) patch.name_ = "$empty";

  if (!patch.replacement_) {
    patch.only_replaces_ = false;
    patch.code_.push_back("$instr");
  } else if (patch.replacement_->kind() == ActionKind::bytes) {
    for (const char byte : patch.replacement_->replacement())
      patch.code_.push_back(static_cast<std::uint8_t>(byte));
  }
  if (patch.replacement_ && patch.replacement_->kind() == ActionKind::jump) {
    patch.code_.push_back(0xe9);
    patch.code_.push_back({{"rel32", address_value(patch.replacement_->jump_target())}});
  } else {
    patch.code_.push_back("$break");
  }
  if (patch.needs_text_) {
    // One copy serves every print of the site.
    patch.code_.push_back(".Lasmstr");
    patch.code_.push_back(text_column);
  }
  return patch;
}

std::optional<std::string> Patch::in_place(unsigned length) const {
  if (!only_replaces_) return std::nullopt;
  switch (replacement_->kind()) {
    case ActionKind::nop:
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
