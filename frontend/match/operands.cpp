#include <algorithm>
#include <array>

#include "frontend/match/fault.h"
#include "frontend/match/grammar.h"
#include "frontend/match/memory_literal.h"

namespace punster {
namespace {

struct BinaryOperator {
  std::string_view text;
  Node::Op op;
};
// By rising precedence.
const std::vector<std::vector<BinaryOperator>> binary_operators = {
    {{"|", Node::Op::bit_or}},
    {{"^", Node::Op::bit_xor}},
    {{"&", Node::Op::bit_and}},
    {{"<<", Node::Op::shift_left}, {">>", Node::Op::shift_right}},
    {{"+", Node::Op::add}, {"-", Node::Op::subtract}},
    {{"*", Node::Op::multiply},
     {"/", Node::Op::divide},
     {"div", Node::Op::divide},
     {"%", Node::Op::modulo},
     {"mod", Node::Op::modulo}},
};

std::string_view scope_name(Scope scope) {
  return scope == Scope::all ? "I" : scope == Scope::block ? "BB" : "F";
}

}  // namespace

Result<Grammar::Id> Grammar::sum(std::size_t level) {
  if (level == binary_operators.size()) return unary();
  PUNSTER_TRY(Id left, sum(level + 1));
  for (;;) {
    const auto& operators = binary_operators[level];
    const auto found = std::find_if(operators.begin(), operators.end(),
                                    [&](const auto& o) { return now().is(o.text); });
    if (found == operators.end()) return left;
    const auto position = now().position;
    ++at_;
    PUNSTER_TRY(const Id right, sum(level + 1));
    PUNSTER_TRY(require_number(left));
    PUNSTER_TRY(require_number(right));
    left = add(found->op, is::number, position, left, right);
  }
}

Result<Grammar::Id> Grammar::unary() {
  const Token& sign = now();
  if (!sign.is("-") && !sign.is("~")) return operand();
  ++at_;
  // The access of an operand that is not accessed: op[0].access == -
  if (sign.text == "-" &&
      (now().kind == Token::Kind::end || now().is(")") || now().is("}") || now().is(",") ||
       now().is("and") || now().is("or") || now().is("&&") || now().is("||")))
    return constant(is::operand_access, static_cast<std::int64_t>(Access::none), sign.position);
  const Deeper deeper(depth_);
  if (depth_ > max_depth) return fault("the expression is nested too deeply");
  PUNSTER_TRY(const Id id, unary());
  PUNSTER_TRY(require_number(id));
  if (sign.text == "~") return add(Node::Op::complement, is::number, sign.position, id);
  const Node& node = program_->nodes[id];
  if (node.op == Node::Op::constant) {
    auto& value = program_->constants[node.a].number;
    value = static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(value));
    positions_[id] = sign.position;
    return id;
  }
  return add(Node::Op::negate, is::number, sign.position, id);
}

Result<Grammar::Id> Grammar::operand() {
  const Token& token = now();
  switch (token.kind) {
    case Token::Kind::number:
      ++at_;
      return constant(is::number, token.number, token.position);
    case Token::Kind::string: {
      ++at_;
      program_->texts.push_back(token.text);
      Value value;
      value.type = is::text;
      value.text = program_->texts.back();
      return constant(value, token.position);
    }
    case Token::Kind::memory:
      return memory(token);
    case Token::Kind::symbol:
    case Token::Kind::path:
      return address_of_name(token);
    case Token::Kind::name:
      return named(token);
    case Token::Kind::regex:
      return fault("a regular expression stands behind =~ or ==, as in asm =~ /mov.*/");
    case Token::Kind::end:
      return fault("expected something to match, not the end");
    case Token::Kind::punctuation:
      break;
  }
  if (take("(")) {
    PUNSTER_TRY(const Id inside, either());
    if (take(")")) return inside;
    if (now().kind == Token::Kind::end)
      return fault_at_position(token.position, "this parenthesis is not closed");
    return fault("expected `)`, not " + shown(now()));
  }
  if (take("&")) return static_address(token);
  return fault("expected something to match, not " + shown(token));
}

// &main, .text.end
Result<Grammar::Id> Grammar::address_of_name(const Token& token) {
  const auto address = options_.names ? options_.names(token.text) : std::nullopt;
  if (!address) return fault("no symbol or section `" + token.text + "` in this file");
  ++at_;
  return constant(is::number, static_cast<std::int64_t>(address->value), token.position);
}

Result<Grammar::Id> Grammar::memory(const Token& token) {
  const auto parsed = parse_memory_literal(token.text, static_cast<unsigned>(token.number));
  if (!parsed)
    return fault_at_position(token.position,
                             "not a memory operand; write it as in AT&T assembly: "
                             "mem64<0x8(%rsp,%rax,8)>");
  ++at_;
  program_->memory_operands.push_back(*parsed);
  Value value;
  value.type = is::memory;
  value.memory = &program_->memory_operands.back();
  return constant(value, token.position);
}

Result<Grammar::Id> Grammar::static_address(const Token& sign) {
  const auto family = now().kind == Token::Kind::name ? family_named(now().text) : std::nullopt;
  if (!family || !next().is("[")) return fault("expected a symbol or a memory operand behind `&`");
  ++at_;
  PUNSTER_TRY(const auto which, index());
  Node node;
  node.op = Node::Op::static_address;
  node.family = *family;
  node.a = which;
  return add(node, is::number, sign.position);
}

// "[3]"
Result<Grammar::Id> Grammar::index() {
  PUNSTER_TRY(expect("["));
  if (now().kind != Token::Kind::number || now().number < 0 || now().number > 1'000'000)
    return fault("expected a number from 0 on, not " + shown(now()));
  const auto value = static_cast<Id>(now().number);
  ++at_;
  PUNSTER_TRY(expect("]"));
  return value;
}

Result<Grammar::Id> Grammar::named(const Token& token) {
  ++at_;
  const std::string& word = token.text;
  const auto position = token.position;
  if (word == "true" || word == "false") return constant(is::condition, word == "true", position);
  if (word == "defined" && now().is("(")) {
    ++at_;
    PUNSTER_TRY(const Id inside, either());
    PUNSTER_TRY(expect(")"));
    return add(Node::Op::is_defined, is::condition, position, inside);
  }
  if (word == "I" && now().is("[")) return other_instruction(Scope::all);
  if (word == "BB") return block_or_function(ExtentKind::block, position);
  if (word == "F") return block_or_function(ExtentKind::function, position);
  if (now().is("[") || now().is(".")) {
    if (const auto family = family_named(word)) return family_member(*family, position);
  }
  if (now().is("[") && word == "bytes") {
    PUNSTER_TRY(const auto which, index());
    return add(Node::Op::byte, is::number, position, which);
  }
  if (const auto* attribute = attribute_named(word)) return attribute_value(*attribute, position);
  if (word == "nil") return constant(Register{}, position);
  if (const auto reg = register_named(word)) return constant(*reg, position);
  if (const auto literal = enumeration(word, position)) return *literal;
  if (now().is("[")) return cell(token);
  if (const auto address = options_.names ? options_.names(word) : std::nullopt)
    return constant(is::number, static_cast<std::int64_t>(address->value), position);
  return fault_at_position(position,
                           "unknown attribute `" + word + "`" + did_you_mean(word, all_words()));
}

std::optional<Grammar::Id> Grammar::enumeration(std::string_view word, std::size_t position) {
  constexpr std::array types = {OperandType::imm, OperandType::reg, OperandType::mem};
  for (const auto type : types)
    if (word == to_string(type))
      return constant(is::operand_type, static_cast<std::int64_t>(type), position);
  constexpr std::array accesses = {Access::read, Access::write, Access::read_write};
  for (const auto access : accesses)
    if (word == to_string(access))
      return constant(is::operand_access, static_cast<std::int64_t>(access), position);
  return std::nullopt;
}

Result<Grammar::Id> Grammar::attribute_value(const AttributeName& attribute, std::size_t position) {
  Node node;
  node.op = Node::Op::attribute;
  node.attribute = attribute.attribute;
  Types type = attribute.type;
  if (attribute.attribute >= Attribute::file) {
    PUNSTER_TRY(need_lines(position));
    if (attribute.attribute == Attribute::line && take(".")) {
      if (!take("entry"))
        return fault("unknown field " + shown(now()) + " of line: expected entry");
      node.attribute = Attribute::line_entry;
      type = is::condition;
    }
  }
  const Id id = add(node, type, position);
  // "reads rax" for "rax in reads"
  if (attribute.type != is::register_set || now().kind != Token::Kind::name) return id;
  const auto reg = register_named(now().text);
  if (!reg) return id;
  const Id member = constant(*reg, now().position);
  ++at_;
  return add(Node::Op::in_registers, is::condition, position, list({member}), id);
}

Result<void> Grammar::need_lines(std::size_t position) const {
  if (!options_.need_lines) return fault_at_position(position, "there are no source lines here");
  const auto there = options_.need_lines();
  if (there.has_error()) return fault_at_position(position, there.error().message);
  return success();
}

Result<Grammar::Id> Grammar::other_instruction(Scope scope) {
  if (elsewhere_) return fault("I[...], BB[...] and F[...] cannot be asked of each other");
  PUNSTER_TRY(expect("["));
  const bool negative = take("-");
  if (now().kind != Token::Kind::number || now().number > 1'000)
    return fault("expected a number of instructions, at most 1000, not " + shown(now()));
  steps_ = static_cast<std::int32_t>(negative ? -now().number : now().number);
  scope_ = scope;
  elsewhere_ = true;
  ++at_;
  const auto attribute = [&]() -> Result<Id> {
    PUNSTER_TRY(expect("]"));
    PUNSTER_TRY(expect("."));
    const Token& token = now();
    if (token.kind != Token::Kind::name ||
        !(attribute_named(token.text) || family_named(token.text) || token.text == "bytes"))
      return fault("expected an attribute behind " + std::string(scope_name(scope)) + "[...]" +
                   did_you_mean(token.text, all_words()));
    return named(token);
  };
  auto id = attribute();
  steps_ = 0;
  scope_ = Scope::all;
  elsewhere_ = false;
  return id;
}

Result<Grammar::Id> Grammar::block_or_function(ExtentKind kind, std::size_t position) {
  const bool block = kind == ExtentKind::block;
  if (now().is("[")) return other_instruction(block ? Scope::block : Scope::function);
  Node node;
  node.op = Node::Op::extent;
  node.b = static_cast<Id>(kind);
  if (!take(".")) return add(node, is::number, position);  // ExtentField::addr
  const auto* field =
      now().kind == Token::Kind::name ? extent_field_named(kind, now().text) : nullptr;
  if (!field)
    return fault("unknown field " + shown(now()) + " of " + (block ? "BB" : "F") +
                 did_you_mean(now().text, all_extent_fields()));
  ++at_;
  node.extent_field = field->field;
  return add(node, field->type, position);
}

// Behind "op", "mem", ...: ".size", "[0]" or "[0].base"
Result<Grammar::Id> Grammar::family_member(Family family, std::size_t position) {
  Node node;
  node.family = family;
  if (take(".")) {
    if (!take("size"))
      return fault("expected `" + std::string(to_string(family)) + ".size` or `" +
                   std::string(to_string(family)) + "[0]`");
    node.op = Node::Op::family_count;
    return add(node, is::number, position);
  }
  PUNSTER_TRY(node.a, index());
  if (!take(".")) {
    node.op = Node::Op::operand;
    Types types = is::number | is::reg | is::memory;
    if (family == Family::reg) types = is::reg;
    if (family == Family::mem) types = is::memory;
    if (family == Family::imm) types = is::number;
    return add(node, types, position);
  }
  const auto* field = now().kind == Token::Kind::name ? field_named(now().text) : nullptr;
  if (!field)
    return fault("unknown field " + shown(now()) + did_you_mean(now().text, all_fields()));
  ++at_;
  node.op = Node::Op::field;
  node.field = field->field;
  return add(node, field->type, position);
}

// NAME[i]: column i of NAME.csv
Result<Grammar::Id> Grammar::cell(const Token& token) {
  PUNSTER_TRY(const auto column, index());
  auto found = table_of_.find(token.text);
  if (found == table_of_.end()) {
    auto table = options_.files ? read_table(token.text + ".csv")
                                : error("not_allowed", "tables cannot be read from files here");
    if (!table)
      return fault_at_position(token.position, "unknown attribute `" + token.text + "`" +
                                                   did_you_mean(token.text, all_words()) +
                                                   "; and " + table.error().message);
    program_->tables.push_back(std::move(table.value()));
    found = table_of_.emplace(token.text, static_cast<Id>(program_->tables.size() - 1)).first;
  }
  return add(Node::Op::cell, is::number | is::text, token.position, column, found->second);
}

}  // namespace punster
