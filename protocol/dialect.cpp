#include "protocol/dialect.h"

namespace punster {

DialectReader::DialectReader(LineReader& lines, std::string first)
    : lines_(lines), pending_(std::move(first)) {}

// The next complete object or array in pending_, or nothing when it is not complete yet. Brackets
// are only counted, not matched: the parser behind us knows the difference.
std::optional<std::string_view> DialectReader::cut() {
  for (; scanned_ < pending_.size(); ++scanned_) {
    const char c = pending_[scanned_];
    if (in_string_) {
      if (c == '\\')
        ++scanned_;  // a line never ends inside an escape, or the parser will complain
      else if (c == '"')
        in_string_ = false;
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && (depth_ == 0 || --depth_ == 0)) {
      ++scanned_;
      const auto message = std::string_view(pending_).substr(begin_, scanned_ - begin_);
      begin_ = scanned_;
      return message;
    } else if (depth_ == 0 && begin_ == scanned_ &&
               (c == ' ' || c == '\t' || c == '\r' || c == ',')) {
      ++begin_;  // between messages
    }
  }
  return std::nullopt;
}

Result<std::optional<Json>> DialectReader::next() {
  for (;;) {
    if (const auto message = cut()) {
      ++messages_;
      std::string text(*message);
      drop_trailing_commas(text);
      auto parsed = parse_json(text);
      if (parsed.has_value()) return std::move(parsed).value();
      auto e = std::move(parsed).error();
      e.message = "message " + std::to_string(messages_) + ": " + e.message;
      return e;
    }
    if (begin_ > 0) {
      pending_.erase(0, begin_);
      scanned_ = scanned_ > begin_ ? scanned_ - begin_ : 0;
      begin_ = 0;
    }
    if (pending_.size() > max_line_bytes)
      return error("too_long", "message " + std::to_string(messages_ + 1) + " is longer than " +
                                   std::to_string(max_line_bytes) + " bytes");
    PUNSTER_TRY(const auto line, lines_.next());
    if (!line) {
      if (pending_.find_first_not_of(" \t\r") == std::string::npos) return std::optional<Json>();
      return error("parse_error", "message " + std::to_string(messages_ + 1) +
                                      ": the input ends in the middle of it");
    }
    pending_ += ' ';
    pending_ += *line;
  }
}

// A line that is not plain becomes pending text, where next() looks first.
Result<std::optional<PlainMessage>> DialectReader::next_plain() {
  if (!between_messages()) return std::optional<PlainMessage>();
  PUNSTER_TRY(const auto line, lines_.next());
  if (!line) return std::optional<PlainMessage>();
  if (auto message = read_plain(*line)) {
    ++messages_;
    return message;
  }
  pending_ = *line;
  begin_ = scanned_ = 0;
  return std::optional<PlainMessage>();
}

void drop_trailing_commas(std::string& text) {
  std::size_t out = 0;
  bool in_string = false;
  std::size_t comma = std::string::npos;  // a comma in the output with only blanks behind it
  for (std::size_t in = 0; in < text.size(); ++in) {
    const char c = text[in];
    if (in_string) {
      if (c == '\\' && in + 1 < text.size())
        text[out++] = text[in++];
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
      comma = std::string::npos;
    } else if (c == ',') {
      comma = out;
    } else if (c == ']' || c == '}') {
      if (comma != std::string::npos) text[comma] = ' ';
      comma = std::string::npos;
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      comma = std::string::npos;
    }
    text[out++] = text[in];
  }
  text.resize(out);
}

}  // namespace punster
