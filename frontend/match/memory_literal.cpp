#include "frontend/match/memory_literal.h"

#include <charconv>

namespace punster {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  [[nodiscard]] bool done() {
    skip_blanks();
    return text_.empty();
  }
  bool take(char c) {
    skip_blanks();
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  [[nodiscard]] bool at(char c) {
    skip_blanks();
    return text_.starts_with(c);
  }
  // "%rax". Nothing also when there is no such register.
  std::optional<Register> reg() {
    if (!take('%')) return std::nullopt;
    std::size_t length = 0;
    while (length < text_.size() && ((text_[length] >= 'a' && text_[length] <= 'z') ||
                                     (text_[length] >= '0' && text_[length] <= '9')))
      ++length;
    const auto found = register_named(text_.substr(0, length));
    text_.remove_prefix(length);
    return found;
  }
  std::optional<std::int64_t> number() {
    const bool negative = take('-');
    const int base = text_.starts_with("0x") ? 16 : 10;
    const char* first = text_.data() + (base == 16 ? 2 : 0);
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(first, text_.data() + text_.size(), value, base);
    if (failed != std::errc{}) return std::nullopt;
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    return static_cast<std::int64_t>(negative ? 0 - value : value);
  }

 private:
  void skip_blanks() {
    while (text_.starts_with(' ')) text_.remove_prefix(1);
  }
  std::string_view text_;
};

}  // namespace

std::optional<Operand> parse_memory_literal(std::string_view text, unsigned bits) {
  Operand mem;
  mem.type = OperandType::mem;
  mem.size = static_cast<std::uint16_t>(bits / 8);
  Reader in(text);
  if (in.done()) return std::nullopt;
  if (in.at('%')) {
    const auto segment = in.reg();
    if (!segment || segment->kind != RegisterKind::segment || !in.take(':')) return std::nullopt;
    mem.segment = *segment;
  }
  if (!in.at('(')) {
    const auto displacement = in.number();
    if (!displacement) return std::nullopt;
    mem.displacement = *displacement;
  }
  if (in.take('(')) {
    if (!in.at(',')) {
      const auto base = in.reg();
      if (!base) return std::nullopt;
      mem.base = *base;
    }
    if (in.take(',')) {
      const auto index = in.reg();
      if (!index) return std::nullopt;
      mem.index = *index;
      mem.scale = 1;
      if (in.take(',')) {
        const auto scale = in.number();
        if (!scale || (*scale != 1 && *scale != 2 && *scale != 4 && *scale != 8))
          return std::nullopt;
        mem.scale = static_cast<std::uint8_t>(*scale);
      }
    }
    if (!in.take(')')) return std::nullopt;
  }
  if (!in.done()) return std::nullopt;
  return mem;
}

bool same_memory(const Operand& a, const Operand& b) {
  return a.size == b.size && a.segment == b.segment && a.base == b.base && a.index == b.index &&
         a.scale == b.scale && a.displacement == b.displacement;
}

}  // namespace punster
