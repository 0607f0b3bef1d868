// From a pattern to Thompson's automaton, by recursive descent. Fragments are built back to front:
// each production is told which state comes after it and returns the state to enter it by, so
// nothing is ever patched up. Repetition needs its operand several times, therefore the pattern is
// parsed into a small tree first.

#include <cassert>
#include <charconv>
#include <memory>
#include <optional>

#include "frontend/match/regex.h"

namespace punster {
namespace {

constexpr std::size_t max_nodes = 5'000;  // enough for any line a person types
constexpr unsigned max_repeat = 1'000, max_depth = 200;

struct Tree {
  enum class Kind : std::uint8_t { nothing, set, sequence, either, repeat, begin, end } kind;
  std::bitset<256> set;
  std::vector<Tree> parts;
  unsigned least = 0;
  std::optional<unsigned> most;
};

std::bitset<256> range(unsigned lo, unsigned hi) {
  std::bitset<256> set;
  for (unsigned byte = lo; byte <= hi; ++byte) set.set(byte);
  return set;
}

// The set that `\d`, `\w` or `\s` names, or nothing.
std::optional<std::bitset<256>> named_set(char c) {
  switch (c) {
    case 'd':
      return range('0', '9');
    case 'D':
      return ~range('0', '9');
    case 'w':
      return range('0', '9') | range('a', 'z') | range('A', 'Z') | range('_', '_');
    case 'W':
      return ~*named_set('w');
    case 's':
      return range('\t', '\r') | range(' ', ' ');
    case 'S':
      return ~*named_set('s');
    default:
      return std::nullopt;
  }
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

class RegexCompiler {
 public:
  explicit RegexCompiler(std::string_view pattern) : pattern_(pattern) {}

  Result<Regex> compile() {
    PUNSTER_TRY(const Tree tree, either(0));
    if (at_ < pattern_.size()) return fault("`)` without `(`");
    Regex regex;
    regex_ = &regex;
    const auto accept = node(Regex::Node::Kind::accept);
    const auto start = emit(tree, accept);
    if (regex.nodes_.size() > max_nodes) return fault("the regular expression is too large");
    regex.start_ = start;
    regex.determinise();
    return regex;
  }

 private:
  [[nodiscard]] Error fault(const std::string& complaint) const {
    return error_in("bad_expression", complaint, std::to_string(at_));
  }
  [[nodiscard]] bool more() const { return at_ < pattern_.size(); }
  [[nodiscard]] char peek() const { return pattern_[at_]; }
  bool take(std::string_view text) {
    if (!pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  Result<Tree> either(unsigned depth) {
    if (depth > max_depth) return fault("too many nested groups");
    Tree all{Tree::Kind::either, {}, {}, 0, {}};
    do {
      PUNSTER_TRY(auto branch, sequence(depth));
      all.parts.push_back(std::move(branch));
    } while (take("|"));
    return all.parts.size() == 1 ? std::move(all.parts.front()) : std::move(all);
  }

  Result<Tree> sequence(unsigned depth) {
    Tree all{Tree::Kind::sequence, {}, {}, 0, {}};
    while (more() && peek() != '|' && peek() != ')') {
      PUNSTER_TRY(auto part, repeated(depth));
      all.parts.push_back(std::move(part));
    }
    return all;
  }

  Result<Tree> repeated(unsigned depth) {
    PUNSTER_TRY(auto operand, atom(depth));
    while (more()) {
      unsigned least = 0;
      std::optional<unsigned> most;
      if (take("*")) {
      } else if (take("+")) {
        least = 1;
      } else if (take("?")) {
        most = 1;
      } else if (peek() == '{') {
        PUNSTER_TRY(braces(least, most));
      } else {
        break;
      }
      take("?");  // lazy or greedy: the same, where all of the text must match
      Tree repeat{Tree::Kind::repeat, {}, {}, least, most};
      repeat.parts.push_back(std::move(operand));
      operand = std::move(repeat);
      if (++repeats_ > max_repeat) return fault("too many repetitions");
    }
    return operand;
  }

  Result<void> braces(unsigned& least, std::optional<unsigned>& most) {
    const auto begin = at_;
    const auto number = [&]() -> std::optional<unsigned> {
      unsigned value = 0;
      const char* first = pattern_.data() + at_;
      const auto [end, failed] = std::from_chars(first, pattern_.data() + pattern_.size(), value);
      if (failed != std::errc{} || value > max_repeat) return std::nullopt;
      at_ += static_cast<std::size_t>(end - first);
      return value;
    };
    take("{");
    const auto lo = number();
    most = lo;
    if (lo && take(",")) most = more() && peek() == '}' ? std::nullopt : number();
    const bool open_ended = at_ > 0 && pattern_[at_ - 1] == ',';
    if (!lo || (!most && !open_ended) || !take("}") || (most && *most < *lo)) {
      at_ = begin;
      return fault("expected {m}, {m,} or {m,n} with m <= n <= 1000; write \\{ for a brace");
    }
    least = *lo;
    return success();
  }

  Result<Tree> atom(unsigned depth) {
    const char c = peek();
    if (c == '*' || c == '+' || c == '?' || c == '{')
      return fault("nothing to repeat; write a backslash before a literal `" + std::string(1, c) +
                   "`");
    if (take("(")) {
      const auto begin = at_ - 1;
      if (take("?") && !take(":")) return fault("only (?:...) is supported among the (? groups");
      PUNSTER_TRY(auto inside, either(depth + 1));
      if (take(")")) return inside;
      at_ = begin;
      return fault("this group is not closed");
    }
    if (take("^")) return Tree{Tree::Kind::begin, {}, {}, 0, {}};
    if (take("$")) return Tree{Tree::Kind::end, {}, {}, 0, {}};
    Tree leaf{Tree::Kind::set, {}, {}, 0, {}};
    if (take(".")) {
      leaf.set.set();
    } else if (c == '[') {
      PUNSTER_TRY(leaf.set, bracket());
    } else {
      PUNSTER_TRY(leaf.set, character());
    }
    return leaf;
  }

  // One character or escape, outside and inside of brackets.
  Result<std::bitset<256>> character() {
    const auto begin = at_;
    const char c = pattern_[at_++];
    if (c != '\\') return range(static_cast<std::uint8_t>(c), static_cast<std::uint8_t>(c));
    if (!more()) {
      at_ = begin;
      return fault("a backslash with nothing behind it");
    }
    const char escaped = pattern_[at_++];
    if (const auto set = named_set(escaped)) return *set;
    if (escaped == 't') return range('\t', '\t');
    if (escaped == 'n') return range('\n', '\n');
    if (escaped == 'x') {
      unsigned value = 0;
      const char* first = pattern_.data() + at_;
      if (pattern_.size() - at_ >= 2 &&
          std::from_chars(first, first + 2, value, 16).ptr == first + 2) {
        at_ += 2;
        return range(value, value);
      }
    }
    if (is_alphanumeric(escaped)) {
      at_ = begin;
      return fault("unknown escape \\" + std::string(1, escaped));
    }
    return range(static_cast<std::uint8_t>(escaped), static_cast<std::uint8_t>(escaped));
  }

  Result<std::bitset<256>> bracket() {
    const auto begin = at_;
    take("[");
    const bool negated = take("^");
    std::bitset<256> all;
    for (bool first = true;; first = false) {
      if (!more()) {
        at_ = begin;
        return fault("this bracket is not closed");
      }
      if (peek() == ']' && !first) break;
      PUNSTER_TRY(auto set, character());
      if (set.count() == 1 && pattern_.size() - at_ >= 2 && peek() == '-' &&
          pattern_[at_ + 1] != ']') {
        take("-");
        PUNSTER_TRY(const auto last, character());
        const auto lo = set._Find_first(), hi = last._Find_first();
        if (last.count() != 1 || hi < lo) return fault("a range runs from low to high");
        set = range(static_cast<unsigned>(lo), static_cast<unsigned>(hi));
      }
      all |= set;
    }
    take("]");
    return negated ? ~all : all;
  }

  std::uint32_t node(Regex::Node::Kind kind, std::uint32_t next = Regex::none,
                     std::uint32_t other = Regex::none, std::uint32_t set = 0) {
    regex_->nodes_.push_back({kind, set, next, other});
    return static_cast<std::uint32_t>(regex_->nodes_.size() - 1);
  }

  std::uint32_t set_number(const std::bitset<256>& set) {
    auto& sets = regex_->sets_;
    for (std::uint32_t i = 0; i < sets.size(); ++i)
      if (sets[i] == set) return i;
    sets.push_back(set);
    return static_cast<std::uint32_t>(sets.size() - 1);
  }

  // The state to enter `tree` by, when `after` comes behind it.
  std::uint32_t emit(const Tree& tree, std::uint32_t after) {
    if (regex_->nodes_.size() > max_nodes) return after;
    switch (tree.kind) {
      case Tree::Kind::nothing:
        return after;
      case Tree::Kind::begin:
        return node(Regex::Node::Kind::at_begin, after);
      case Tree::Kind::end:
        return node(Regex::Node::Kind::at_end, after);
      case Tree::Kind::set:
        return node(Regex::Node::Kind::consume, after, Regex::none, set_number(tree.set));
      case Tree::Kind::sequence:
        for (auto part = tree.parts.rbegin(); part != tree.parts.rend(); ++part)
          after = emit(*part, after);
        return after;
      case Tree::Kind::either: {
        std::uint32_t entry = emit(tree.parts.back(), after);
        for (std::size_t i = tree.parts.size() - 1; i-- > 0;)
          entry = node(Regex::Node::Kind::epsilon, emit(tree.parts[i], after), entry);
        return entry;
      }
      case Tree::Kind::repeat:
        break;
    }
    const Tree& operand = tree.parts.front();
    if (tree.most) {
      const auto end = after;
      for (unsigned i = tree.least; i < *tree.most; ++i)
        after = node(Regex::Node::Kind::epsilon, emit(operand, after), end);
    } else {
      const auto loop = node(Regex::Node::Kind::epsilon, Regex::none, after);
      const auto entry = emit(operand, loop);
      regex_->nodes_[loop].next = entry;
      after = loop;
    }
    for (unsigned i = 0; i < tree.least; ++i) after = emit(operand, after);
    return after;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  unsigned repeats_ = 0;
  Regex* regex_ = nullptr;
};

Result<Regex> Regex::compile(std::string_view pattern) {
  return RegexCompiler(pattern).compile();
}

}  // namespace punster
