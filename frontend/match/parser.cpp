#include "frontend/match/parser.h"

#include <algorithm>
#include <cstdlib>

#include "frontend/match/fault.h"
#include "frontend/match/grammar.h"

namespace punster {

Result<std::shared_ptr<const Match::Program>> compile_expression(std::string_view expression,
                                                                 const MatchOptions& options) {
  PUNSTER_TRY(auto tokens, tokenise(expression));
  return Grammar(expression, options, std::move(tokens)).run();
}

Result<std::shared_ptr<const Match::Program>> compile_value(std::string_view text, std::size_t from,
                                                            std::size_t size,
                                                            const MatchOptions& options) {
  // Blanks in front: positions are those of the whole text.
  auto tokens = tokenise(std::string(from, ' ') + std::string(text.substr(from, size)));
  if (tokens.has_error()) {
    const Error& fault = tokens.error();  // "column 12", and the complaint above the text
    const auto column = std::strtoul(fault.where.c_str() + fault.where.find(' ') + 1, nullptr, 10);
    return fault_at("bad_expression", text, column - 1,
                    fault.message.substr(0, fault.message.find('\n')));
  }
  return Grammar(text, options, std::move(tokens).value()).run_for_value();
}

Grammar::Grammar(std::string_view expression, const MatchOptions& options,
                 std::vector<Token> tokens)
    : expression_(expression),
      options_(options),
      tokens_(std::move(tokens)),
      program_(std::make_shared<Match::Program>()) {}

Result<std::shared_ptr<const Match::Program>> Grammar::run() {
  PUNSTER_TRY(const Id root, either());
  if (now().kind != Token::Kind::end)
    return fault("expected `and`, `or` or the end, not " + shown(now()));
  PUNSTER_TRY(require_condition(root));
  program_->root = root;
  program_->syntax = options_.syntax;
  return std::shared_ptr<const Match::Program>(program_);
}

Result<std::shared_ptr<const Match::Program>> Grammar::run_for_value() {
  PUNSTER_TRY(const Id root, either());
  if (now().kind != Token::Kind::end) return fault("expected `,` or `)`, not " + shown(now()));
  if (!(types_[root] & (is::condition | is::number | is::text)))
    return fault_at_position(positions_[root],
                             "expected a number or text, but this is " + describe(types_[root]));
  program_->root = root;
  program_->syntax = options_.syntax;
  return std::shared_ptr<const Match::Program>(program_);
}

const Token& Grammar::next() const {
  return tokens_[std::min(at_ + 1, tokens_.size() - 1)];
}

bool Grammar::take(std::string_view text) {
  if (!now().is(text)) return false;
  ++at_;
  return true;
}

Result<void> Grammar::expect(std::string_view text) {
  if (take(text)) return success();
  return fault("expected `" + std::string(text) + "`, not " + shown(now()));
}

std::string Grammar::shown(const Token& token) {
  switch (token.kind) {
    case Token::Kind::end:
      return "the end";
    case Token::Kind::string:
      return "a string";
    case Token::Kind::regex:
      return "a regular expression";
    default:
      return "`" + token.text + "`";
  }
}

Error Grammar::fault(const std::string& complaint) const {
  return fault_at_position(now().position, complaint);
}

Error Grammar::fault_at_position(std::size_t position, const std::string& complaint) const {
  return fault_at("bad_expression", expression_, position, complaint);
}

Grammar::Id Grammar::add(const Node& node, Types types, std::size_t position) {
  program_->nodes.push_back(node);
  program_->nodes.back().steps = steps_;
  program_->nodes.back().scope = scope_;
  types_.push_back(types);
  positions_.push_back(position);
  return static_cast<Id>(program_->nodes.size() - 1);
}

Grammar::Id Grammar::add(Node::Op op, Types types, std::size_t position, Id a, Id b) {
  Node node;
  node.op = op;
  node.a = a;
  node.b = b;
  return add(node, types, position);
}

Grammar::Id Grammar::constant(const Value& value, std::size_t position) {
  program_->constants.push_back(value);
  return add(Node::Op::constant, value.type, position,
             static_cast<Id>(program_->constants.size() - 1));
}

Grammar::Id Grammar::constant(Types type, std::int64_t number, std::size_t position) {
  Value value;
  value.type = type;
  value.number = number;
  return constant(value, position);
}

Grammar::Id Grammar::constant(Register reg, std::size_t position) {
  Value value;
  value.type = is::reg;
  value.reg = reg;
  return constant(value, position);
}

Result<void> Grammar::require_condition(Id id) const {
  if (types_[id] & (is::condition | is::number)) return success();
  return fault_at_position(
      positions_[id],
      "expected a condition, but this is " + describe(types_[id]) + "; compare it with something");
}

Result<void> Grammar::require_number(Id id) const {
  if (types_[id] & (is::condition | is::number)) return success();
  return fault_at_position(positions_[id],
                           "expected a number, but this is " + describe(types_[id]));
}

bool Grammar::comparable(Id a, Id b) const {
  const auto widened = [](Types t) {
    return t & is::condition ? static_cast<Types>(t | is::number) : t;
  };
  return (widened(types_[a]) & widened(types_[b])) != 0;
}

}  // namespace punster
