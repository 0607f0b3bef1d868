#include <algorithm>
#include <charconv>

#include "frontend/match/grammar.h"

namespace punster {
namespace {

struct Comparison {
  std::string_view text;
  Node::Op op;
};
constexpr Comparison comparisons[] = {
    {"==", Node::Op::equal},         {"=", Node::Op::equal},       {"!=", Node::Op::different},
    {"<", Node::Op::less},           {"<=", Node::Op::less_equal}, {">", Node::Op::greater},
    {">=", Node::Op::greater_equal}, {"=~", Node::Op::matches},    {"!~", Node::Op::mismatches},
};

}  // namespace

Result<Grammar::Id> Grammar::either() {
  const Deeper deeper(depth_);
  if (depth_ > max_depth) return fault("the expression is nested too deeply");
  PUNSTER_TRY(Id left, both());
  while (now().is("or") || now().is("||")) {
    const auto position = now().position;
    ++at_;
    PUNSTER_TRY(const Id right, both());
    PUNSTER_TRY(left, join(Node::Op::either, left, right, position));
  }
  return left;
}

Result<Grammar::Id> Grammar::both() {
  PUNSTER_TRY(Id left, inversion());
  while (now().is("and") || now().is("&&")) {
    const auto position = now().position;
    ++at_;
    PUNSTER_TRY(const Id right, inversion());
    PUNSTER_TRY(left, join(Node::Op::both, left, right, position));
  }
  return left;
}

Result<Grammar::Id> Grammar::join(Node::Op op, Id left, Id right, std::size_t position) {
  PUNSTER_TRY(require_condition(left));
  PUNSTER_TRY(require_condition(right));
  return add(op, is::condition, position, left, right);
}

Result<Grammar::Id> Grammar::inversion() {
  const auto position = now().position;
  if (!take("not") && !take("!")) return comparison();
  const Deeper deeper(depth_);
  if (depth_ > max_depth) return fault("the expression is nested too deeply");
  PUNSTER_TRY(const Id operand, inversion());
  PUNSTER_TRY(require_condition(operand));
  return add(Node::Op::invert, is::condition, position, operand);
}

Result<Grammar::Id> Grammar::comparison() {
  if (now().is("{")) return registers_in_set();
  PUNSTER_TRY(const Id left, sum(0));
  const Token& sign = now();
  for (const auto& comparison : comparisons) {
    if (!sign.is(comparison.text)) continue;
    ++at_;
    PUNSTER_TRY(const Id result, compare(left, comparison.op, sign));
    for (const auto& another : comparisons)
      if (now().is(another.text)) return fault("comparisons do not chain; join them by `and`");
    return result;
  }
  const bool inverted = sign.is("not") && next().is("in");
  if (inverted) ++at_;
  if (!take("in")) return left;
  PUNSTER_TRY(const Id result, member(left, sign));
  return inverted ? add(Node::Op::invert, is::condition, sign.position, result) : result;
}

Result<Grammar::Id> Grammar::compare(Id left, Node::Op op, const Token& sign) {
  const bool pattern_wanted = op == Node::Op::matches || op == Node::Op::mismatches;
  if (now().kind == Token::Kind::regex || (pattern_wanted && now().kind == Token::Kind::string)) {
    if (op == Node::Op::equal) op = Node::Op::matches;
    if (op == Node::Op::different) op = Node::Op::mismatches;
    if (op != Node::Op::matches && op != Node::Op::mismatches)
      return fault_at_position(sign.position, "regular expressions are compared by =~, == or !=");
    if (!(types_[left] & is::text))
      return fault_at_position(positions_[left], "regular expressions match text, but this is " +
                                                     describe(types_[left]));
    PUNSTER_TRY(const Id pattern, regex());
    return add(op, is::condition, sign.position, left, pattern);
  }
  if (pattern_wanted) return fault("expected a regular expression: /.../");
  PUNSTER_TRY(const Id right, sum(0));
  if ((types_[left] | types_[right]) & is::register_set)
    return fault_at_position(sign.position, "a set of registers is asked by `in`: rax in reads");
  if (!comparable(left, right))
    return fault_at_position(sign.position, "cannot compare " + describe(types_[left]) + " with " +
                                                describe(types_[right]));
  if (op != Node::Op::equal && op != Node::Op::different) {
    PUNSTER_TRY(require_number(left));
    PUNSTER_TRY(require_number(right));
  }
  return add(op, is::condition, sign.position, left, right);
}

Result<Grammar::Id> Grammar::regex() {
  auto compiled = Regex::compile(now().text);
  if (!compiled) {
    std::size_t offset = 0;
    const std::string& where = compiled.error().where;
    std::from_chars(where.data(), where.data() + where.size(), offset);
    return fault_at_position(now().position + 1 + offset, compiled.error().message);
  }
  ++at_;
  program_->regexes.push_back(std::move(compiled.value()));
  return static_cast<Id>(program_->regexes.size() - 1);
}

Result<Grammar::Id> Grammar::member(Id left, const Token& sign) {
  if (now().kind == Token::Kind::string) {
    PUNSTER_TRY(require_number(left));
    if (!options_.files) return fault("a list of addresses cannot be read from a file here");
    auto addresses = read_addresses(now().text);
    if (!addresses) return fault(addresses.error().message);
    ++at_;
    program_->number_sets.push_back(std::move(addresses.value()));
    return add(Node::Op::in_numbers, is::condition, sign.position, left,
               static_cast<Id>(program_->number_sets.size() - 1));
  }
  if (now().is("{")) return member_of_literal(left, sign);
  PUNSTER_TRY(const Id set, sum(0));
  if (types_[set] != is::register_set)
    return fault_at_position(positions_[set],
                             "expected a set behind `in`: {1, 2}, \"FILE\", reads, writes or regs");
  if (!(types_[left] & is::reg))
    return fault_at_position(
        positions_[left], "expected a register before `in`, but this is " + describe(types_[left]));
  return add(Node::Op::in_registers, is::condition, sign.position, list({left}), set);
}

Grammar::Id Grammar::list(std::vector<Id> members) {
  program_->lists.push_back(std::move(members));
  return static_cast<Id>(program_->lists.size() - 1);
}

Result<Grammar::Id> Grammar::member_of_literal(Id left, const Token& sign) {
  PUNSTER_TRY(const auto members, set_literal(left));
  const auto constant_number = [&](Id id) {
    const Node& node = program_->nodes[id];
    return node.op == Node::Op::constant && program_->constants[node.a].type == is::number;
  };
  if (!std::all_of(members.begin(), members.end(), constant_number))
    return add(Node::Op::in_list, is::condition, sign.position, left, list(members));
  std::vector<std::uint64_t> numbers;
  for (const Id id : members)
    numbers.push_back(
        static_cast<std::uint64_t>(program_->constants[program_->nodes[id].a].number));
  std::sort(numbers.begin(), numbers.end());
  program_->number_sets.push_back(std::move(numbers));
  return add(Node::Op::in_numbers, is::condition, sign.position, left,
             static_cast<Id>(program_->number_sets.size() - 1));
}

Result<std::vector<Grammar::Id>> Grammar::set_literal(Id left) {
  PUNSTER_TRY(expect("{"));
  std::vector<Id> members;
  while (!now().is("}")) {
    if (!members.empty()) {
      PUNSTER_TRY(expect(","));
    }
    const auto position = now().position;
    if (now().kind == Token::Kind::regex) {
      if (!(types_[left] & is::text))
        return fault("regular expressions match text, but the left side is " +
                     describe(types_[left]));
      PUNSTER_TRY(const Id pattern, regex());
      members.push_back(add(Node::Op::matches, is::condition, position, left, pattern));
      continue;
    }
    PUNSTER_TRY(const Id value, sum(0));
    if (!comparable(left, value))
      return fault_at_position(position, "cannot compare " + describe(types_[left]) + " with " +
                                             describe(types_[value]));
    members.push_back(value);
  }
  ++at_;
  return members;
}

Result<Grammar::Id> Grammar::registers_in_set() {
  PUNSTER_TRY(expect("{"));
  std::vector<Id> members;
  do {
    PUNSTER_TRY(const Id id, sum(0));
    if (!(types_[id] & is::reg))
      return fault_at_position(positions_[id],
                               "a set on the left of `in` holds registers, but this "
                               "is " +
                                   describe(types_[id]));
    members.push_back(id);
  } while (take(","));
  PUNSTER_TRY(expect("}"));
  const Token& sign = now();
  PUNSTER_TRY(expect("in"));
  PUNSTER_TRY(const Id set, sum(0));
  if (types_[set] != is::register_set)
    return fault_at_position(positions_[set], "expected reads, writes or regs");
  return add(Node::Op::in_registers, is::condition, sign.position, list(std::move(members)), set);
}

}  // namespace punster
