// The message for an expression that matches nothing. Most such expressions name an address that is
// off by a few bytes, so the message says what stands there and which instructions are nearest.

#include <algorithm>

#include "frontend/cli/selection.h"
#include "protocol/hex.h"

namespace punster {

namespace {

/// The hexadecimal numbers in an expression that asks for addresses at all.
std::vector<Vaddr> addresses_named(const std::string& expression) {
  std::vector<Vaddr> result;
  if (expression.find("addr") == std::string::npos) return result;
  for (std::size_t at = expression.find("0x"); at != std::string::npos;
       at = expression.find("0x", at + 2)) {
    const std::size_t end = expression.find_first_not_of("0123456789abcdefABCDEF", at + 2);
    if (const auto value = parse_hex(expression.substr(at, end - at))) result.emplace_back(*value);
  }
  return result;
}

std::string list_of(const std::vector<Vaddr>& addresses) {
  std::string list;
  for (const Vaddr address : addresses) list += (list.empty() ? "" : " and ") + to_hex(address);
  return list;
}

/// What the bytes at an address are held to be, when they are not code.
std::string standing_of(const CodeMap& code, Vaddr address) {
  for (const ClassRange& range : code.ranges)
    if (range.range.contains(address))
      return range.kind == ByteClass::code ? "inside an instruction" : to_string(range.kind);
  return "not in an executable section";
}

}  // namespace

Error nothing_matched(const std::vector<std::string>& expressions, const Subject& subject) {
  const std::string file = subject.image.path().string();
  for (const std::string& expression : expressions)
    for (const Vaddr address : addresses_named(expression)) {
      if (subject.code.find(address) != nullptr) continue;
      std::string message = file + ": no instruction matches: " + to_hex(address) + " is " +
                            standing_of(subject.code, address);
      const std::vector<Vaddr> nearest = subject.code.nearest(address);
      if (!nearest.empty()) message += " (nearest instruction starts: " + list_of(nearest) + ")";
      return error_at("no_match", std::move(message), address);
    }
  return error("no_match", file + ": no instruction matches (see `punster sites --help`)");
}

Error nothing_matched(const std::vector<ActionGroup>& groups, const Subject& subject) {
  std::vector<std::string> expressions;
  for (const auto& group : groups)
    expressions.insert(expressions.end(), group.matches.begin(), group.matches.end());
  return nothing_matched(expressions, subject);
}

}  // namespace punster
