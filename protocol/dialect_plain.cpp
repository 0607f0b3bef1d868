#include "protocol/dialect_plain.h"

#include <charconv>

namespace punster {
namespace {

class Text {
 public:
  explicit Text(std::string_view rest) : rest_(rest) {}

  bool take(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  /// 17, or "0x11". JSON has no numbers with a leading zero.
  bool take(std::uint64_t& value) {
    const bool quoted = take("\"0x");
    if (!quoted && rest_.starts_with('0') && rest_.size() > 1 && rest_[1] >= '0' && rest_[1] <= '9')
      return false;
    const auto* const begin = rest_.data();
    const auto [end, fault] = std::from_chars(begin, begin + rest_.size(), value, quoted ? 16 : 10);
    if (fault != std::errc() || end == begin) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - begin));
    return !quoted || take("\"");
  }
  /// A name without escapes, up to its closing quote.
  bool take_name(std::string_view& name) {
    const auto end = rest_.find('"');
    if (end == rest_.npos) return false;
    name = rest_.substr(0, end);
    for (const char c : name)
      if (c <= ' ' || c > '~' || c == '\\') return false;
    rest_.remove_prefix(end + 1);
    return true;
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace

std::optional<PlainMessage> read_plain(std::string_view line) {
  Text text(line);
  PlainMessage message;
  std::uint64_t id = 0;
  if (!text.take(R"({"jsonrpc":"2.0","method":")")) return std::nullopt;
  message.is_patch = text.take(R"(patch","params":{"trampoline":"$)");
  if (message.is_patch) {
    if (!text.take_name(message.trampoline)) return std::nullopt;
    // With its dollar sign, which stands just before.
    message.trampoline = {message.trampoline.data() - 1, message.trampoline.size() + 1};
  } else if (!text.take(R"(instruction","params":{"address":)") || !text.take(message.address) ||
             !text.take(R"(,"length":)") || !text.take(message.length)) {
    return std::nullopt;
  }
  if (!text.take(R"(,"offset":)") || !text.take(message.offset) || !text.take(R"(},"id":)") ||
      !text.take(id) || !text.take("}") || !text.at_end())
    return std::nullopt;
  return message;
}

}  // namespace punster
