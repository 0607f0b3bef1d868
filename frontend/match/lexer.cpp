#include "frontend/match/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "frontend/match/fault.h"

namespace punster {
namespace {

// Longest first.
constexpr std::array<std::string_view, 36> punctuation = {
    "&&", "||", "==", "!=", "<=", ">=", "=~", "!~", "<<", ">>", "(", ")",
    "[",  "]",  "{",  "}",  ",",  "=",  "<",  ">",  "!",  "+",  "-", "*",
    "/",  "%",  "&",  "|",  "^",  "~",  ".",  ":",  "@",  "$",  "?", ";"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool in_name(char c) {
  return starts_name(c) || is_digit(c);
}
bool in_symbol(char c) {
  return in_name(c) || c == '.' || c == '$' || c == '@';
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    while (at_ < text_.size()) {
      if (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r') {
        ++at_;
        continue;
      }
      PUNSTER_TRY(next());
    }
    tokens_.push_back({Token::Kind::end, text_.size(), "", 0});
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] Error fault(std::size_t position, const std::string& complaint) const {
    return fault_at("bad_expression", text_, position, complaint);
  }

  // Whether an operand may stand here: at the start, behind an operator, an opening bracket or a
  // comma.
  [[nodiscard]] bool operand_expected() const {
    if (tokens_.empty()) return true;
    const Token& last = tokens_.back();
    if (last.kind == Token::Kind::name)
      return last.text == "and" || last.text == "or" || last.text == "not" || last.text == "in" ||
             last.text == "div" || last.text == "mod";
    return last.kind == Token::Kind::punctuation && last.text != ")" && last.text != "]" &&
           last.text != "}";
  }

  void add(Token::Kind kind, std::size_t begin, std::string text, std::int64_t number = 0) {
    tokens_.push_back({kind, begin, std::move(text), number});
  }

  Result<void> next() {
    const char c = text_[at_];
    if (is_digit(c)) return number();
    if (starts_name(c)) return name();
    if (c == '"' || c == '\'') return string(c);
    if (operand_expected()) {
      if (c == '/') return regex();
      if (c == '.') return symbol(Token::Kind::path, at_);
      if (c == '&' && at_ + 1 < text_.size() &&
          (starts_name(text_[at_ + 1]) || text_[at_ + 1] == '.') && !is_family_address())
        return symbol(Token::Kind::symbol, at_ + 1);
    }
    for (const auto mark : punctuation) {
      if (!text_.substr(at_).starts_with(mark)) continue;
      add(Token::Kind::punctuation, at_, std::string(mark));
      at_ += mark.size();
      return success();
    }
    return fault(at_, "unexpected character");
  }

  // &mem[0] is the address of an operand, not of a symbol.
  [[nodiscard]] bool is_family_address() const {
    auto end = at_ + 1;
    while (end < text_.size() && in_name(text_[end])) ++end;
    const auto word = text_.substr(at_ + 1, end - at_ - 1);
    return end < text_.size() && text_[end] == '[' &&
           (word == "mem" || word == "op" || word == "src" || word == "dst");
  }

  Result<void> number() {
    const auto begin = at_;
    const int base =
        text_.substr(at_).starts_with("0x") || text_.substr(at_).starts_with("0X") ? 16 : 10;
    const char* first = text_.data() + at_ + (base == 16 ? 2 : 0);
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(first, text_.data() + text_.size(), value, base);
    if (failed == std::errc::result_out_of_range)
      return fault(begin, "a number of more than 64 bits");
    if (failed != std::errc{}) return fault(begin, "a hexadecimal number needs digits behind 0x");
    at_ = static_cast<std::size_t>(end - text_.data());
    if (at_ < text_.size() && in_name(text_[at_])) {
      if (base == 10)
        return fault(begin,
                     "not a number; hexadecimal numbers begin with 0x, decimal ones have digits "
                     "only");
      return fault(at_, "not a hexadecimal digit");
    }
    add(Token::Kind::number, begin, std::string(text_.substr(begin, at_ - begin)),
        static_cast<std::int64_t>(value));
    return success();
  }

  Result<void> name() {
    const auto begin = at_;
    while (at_ < text_.size() && in_name(text_[at_])) ++at_;
    const auto word = text_.substr(begin, at_ - begin);
    if (operand_expected() && at_ < text_.size() && text_[at_] == '<' &&
        (word == "mem8" || word == "mem16" || word == "mem32" || word == "mem64")) {
      const auto close = text_.find('>', at_);
      if (close == std::string_view::npos) return fault(at_, "this `<` is not closed");
      std::int64_t bits = 0;
      std::from_chars(word.data() + 3, word.data() + word.size(), bits);
      add(Token::Kind::memory, at_ + 1, std::string(text_.substr(at_ + 1, close - at_ - 1)), bits);
      at_ = close + 1;
      return success();
    }
    add(Token::Kind::name, begin, std::string(word));
    return success();
  }

  Result<void> symbol(Token::Kind kind, std::size_t from) {
    const auto begin = at_;
    at_ = from;
    while (at_ < text_.size() && in_symbol(text_[at_])) ++at_;
    add(kind, begin, std::string(text_.substr(from, at_ - from)));
    return success();
  }

  Result<void> string(char quote) {
    const auto begin = at_++;
    std::string value;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        value += text_[at_] == 'n' ? '\n' : text_[at_] == 't' ? '\t' : text_[at_];
      } else {
        value += text_[at_];
      }
    }
    if (at_ == text_.size()) return fault(begin, "this quote is not closed");
    ++at_;
    add(Token::Kind::string, begin, std::move(value));
    return success();
  }

  // A backslash keeps the slash, and everything else, for the regular expression to interpret.
  Result<void> regex() {
    const auto begin = at_++;
    while (at_ < text_.size() && text_[at_] != '/')
      at_ += text_[at_] == '\\' && at_ + 1 < text_.size() ? 2 : 1;
    if (at_ >= text_.size())
      return fault(begin, "this regular expression is not closed by a slash");
    add(Token::Kind::regex, begin, std::string(text_.substr(begin + 1, at_ - begin - 1)));
    ++at_;
    return success();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenise(std::string_view expression) {
  return Lexer(expression).run();
}

}  // namespace punster
