#include "frontend/match/call_action.h"

#include <algorithm>

#include "frontend/match/fault.h"

namespace punster {
namespace {

bool in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == ':' || c == '$';
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

class CallParser {
 public:
  CallParser(std::string_view text, std::size_t from, const MatchOptions& options)
      : text_(text), at_(from), options_(options) {}

  Result<CallAction> run() {
    skip();
    const std::size_t begin = at_;
    const bool conditional = take_word("if");
    skip();
    const std::size_t name_at = at_;
    while (at_ < text_.size() && in_name(text_[at_])) ++at_;
    call_.function = text_.substr(name_at, at_ - name_at);
    if (call_.function.empty()) return fault(at_, "expected the name of a function");
    PUNSTER_TRY(abi());
    PUNSTER_TRY(arguments());
    const std::size_t file_at = at_ + 1;
    PUNSTER_TRY(file(conditional));
    if (conditional) {
      PUNSTER_TRY(condition());
    }
    call_.text = text_.substr(begin, at_ - begin);
    skip();
    if (at_ < text_.size()) return fault(at_, "unexpected text behind the call");
    PUNSTER_TRY(open(name_at, file_at));
    PUNSTER_TRY(check(name_at));
    return std::move(call_);
  }

 private:
  [[nodiscard]] Error fault(std::size_t position, const std::string& complaint) const {
    return fault_at("bad_action", text_, std::min(position, text_.size()), complaint);
  }
  void skip() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    const std::size_t end = at_ + word.size();
    if (end < text_.size() && in_name(text_[end])) return false;
    at_ = end;
    return true;
  }

  Result<void> abi() {
    skip();
    if (at_ == text_.size() || text_[at_] != '<') return success();
    const std::size_t close = text_.find('>', at_);
    std::string_view name = text_.substr(
        at_ + 1, close == std::string_view::npos ? std::string_view::npos : close - at_ - 1);
    while (!name.empty() && is_blank(name.front())) name.remove_prefix(1);
    while (!name.empty() && is_blank(name.back())) name.remove_suffix(1);
    if (close == std::string_view::npos || (name != "clean" && name != "naked"))
      return fault(at_, "expected <clean> or <naked>");
    call_.naked = name == "naked";
    at_ = close + 1;
    skip();
    return success();
  }

  // The closing parenthesis of the one at `at_`; npos if there is none. Skips quoted text.
  [[nodiscard]] std::size_t closing() const {
    int depth = 0;
    char quote = 0;
    for (std::size_t i = at_; i < text_.size(); ++i) {
      const char c = text_[i];
      if (quote != 0) {
        if (c == '\\') ++i;
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '(') {
        ++depth;
      } else if (c == ')' && --depth == 0) {
        return i;
      }
    }
    return std::string_view::npos;
  }

  Result<void> arguments() {
    if (at_ == text_.size() || text_[at_] != '(')
      return fault(at_, "expected `(` and arguments behind `" + call_.function + "`");
    const std::size_t close = closing();
    if (close == std::string_view::npos) return fault(at_, "this parenthesis is not closed");
    const bool none = std::all_of(text_.begin() + static_cast<std::ptrdiff_t>(at_) + 1,
                                  text_.begin() + static_cast<std::ptrdiff_t>(close), is_blank);
    std::size_t begin = at_ + 1;
    at_ = close;
    if (none) return success();
    while (begin <= close) {
      const std::size_t end = end_of_argument(begin, close);
      PUNSTER_TRY(auto argument, CallArgument::parse(text_, begin, end - begin, options_));
      const std::size_t most =
          call_.naked ? CallAction::most_naked_arguments : CallAction::most_arguments;
      if (call_.arguments.size() == most)
        return fault(argument.position, "more than " + std::to_string(most) + " arguments");
      call_.arguments.push_back(std::move(argument));
      begin = end + 1;
    }
    return success();
  }

  // The next comma outside of brackets and quotes, or `close`.
  [[nodiscard]] std::size_t end_of_argument(std::size_t begin, std::size_t close) const {
    int depth = 0;
    char quote = 0;
    for (std::size_t i = begin; i < close; ++i) {
      const char c = text_[i];
      if (quote != 0) {
        if (c == '\\') ++i;
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '(' || c == '[') {
        ++depth;
      } else if (c == ')' || c == ']') {
        --depth;
      } else if (c == ',' && depth == 0) {
        return i;
      }
    }
    return close;
  }

  // Of a conditional call, the last word is `break` or `goto`; else FILE is all there is.
  Result<void> file(bool conditional) {
    ++at_;
    skip();
    if (at_ == text_.size() || text_[at_] != '@')
      return fault(at_, "expected `@` and a file that `punster cc` made");
    const std::size_t begin = ++at_;
    std::size_t end = text_.size();
    while (end > begin && is_blank(text_[end - 1])) --end;
    if (conditional) {
      const std::size_t blank = text_.substr(0, end).find_last_of(" \t");
      if (blank == std::string_view::npos || blank < begin)
        return fault(end, "expected `break` or `goto` behind the call");
      at_ = blank;
      end = blank;
      while (end > begin && is_blank(text_[end - 1])) --end;
    } else {
      at_ = end;
    }
    path_ = text_.substr(begin, end - begin);
    if (path_.empty()) return fault(begin, "expected a file that `punster cc` made");
    return success();
  }

  Result<void> condition() {
    skip();
    if (take_word("break")) {
      call_.condition = CallAction::Condition::leave;
    } else if (take_word("goto")) {
      call_.condition = CallAction::Condition::go;
    } else {
      return fault(at_, "expected `break` or `goto` behind the call");
    }
    return success();
  }

  Result<void> open(std::size_t name_at, std::size_t file_at) {
    if (!options_.files) return fault(file_at, "files cannot be named here");
    while (file_at < text_.size() && text_[file_at - 1] != '@') ++file_at;
    auto opened = HookFile::open(path_);
    if (opened.has_error()) return fault(file_at, opened.error().message);
    call_.file = std::move(opened).value();
    if (call_.file->functions(call_.function).empty())
      return fault(name_at, call_.file->no_function(call_.function));
    return success();
  }

  Result<void> check(std::size_t name_at) const {
    if (call_.naked && call_.file->vector_call())
      return fault(name_at, "a file made with --vector cannot be called <naked>");
    for (const auto& argument : call_.arguments) {
      if (call_.naked && (argument.kind == CallArgument::Kind::state ||
                          argument.kind == CallArgument::Kind::flags ||
                          argument.kind == CallArgument::Kind::rflags))
        return fault(argument.position, "a <naked> call saves no flags and no state");
      if (call_.condition == CallAction::Condition::go && argument.by_pointer &&
          argument.kind == CallArgument::Kind::reg && argument.may_need_stack())
        return fault(argument.position, "rsp cannot be written under `goto`");
    }
    return success();
  }

  const std::string_view text_;
  std::size_t at_;
  const MatchOptions& options_;
  CallAction call_;
  std::string path_;
};

}  // namespace

Result<CallAction> CallAction::parse(std::string_view text, std::size_t from,
                                     const MatchOptions& options) {
  return CallParser(text, from, options).run();
}

bool CallAction::looks_like_one(std::string_view text) {
  if (text.starts_with("if ")) return true;
  for (std::size_t at = text.find('@'); at != std::string_view::npos; at = text.find('@', at + 1)) {
    const auto last = text.substr(0, at).find_last_not_of(' ');
    if (last != std::string_view::npos && text[last] == ')') return true;
  }
  return false;
}

bool CallAction::uniform() const {
  return std::all_of(arguments.begin(), arguments.end(),
                     [](const CallArgument& a) { return a.uniform(); });
}

bool CallAction::uniform_around() const {
  // Which registers are saved may depend on operands, and on arguments of naked calls.
  return !naked && file->functions(function).size() == 1 &&
         std::none_of(arguments.begin(), arguments.end(), [](const CallArgument& a) {
           return a.kind == CallArgument::Kind::operand ||
                  a.kind == CallArgument::Kind::operand_reg;
         });
}

bool CallAction::may_have_data() const {
  return std::any_of(arguments.begin(), arguments.end(),
                     [](const CallArgument& a) { return a.may_have_data(); });
}

bool CallAction::retargets_calls() const {
  return condition == Condition::none &&
         std::none_of(arguments.begin(), arguments.end(),
                      [](const CallArgument& a) { return a.may_need_stack(); });
}

}  // namespace punster
