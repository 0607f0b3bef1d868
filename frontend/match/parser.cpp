#include "frontend/match/parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "frontend/match/attributes.h"
#include "frontend/match/fault.h"
#include "frontend/match/lexer.h"
#include "frontend/match/memory_literal.h"

namespace punster {
namespace {

constexpr unsigned max_depth = 200;

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
constexpr BinaryOperator comparisons[] = {
    {"==", Node::Op::equal},   {"=", Node::Op::equal},          {"!=", Node::Op::different},
    {"<", Node::Op::less},     {"<=", Node::Op::less_equal},    {">", Node::Op::greater},
    {">=", Node::Op::greater_equal}, {"=~", Node::Op::matches}, {"!~", Node::Op::mismatches},
};

using Id = std::uint32_t;

class Parser {
 public:
  Parser(std::string_view expression, const MatchOptions& options, std::vector<Token> tokens)
      : expression_(expression), options_(options), tokens_(std::move(tokens)),
        program_(std::make_shared<Match::Program>()) {}

  Result<std::shared_ptr<const Match::Program>> run() {
    PUNSTER_TRY(const Id root, either());
    if (now().kind != Token::Kind::end) return fault("expected `and`, `or` or the end, not " + shown(now()));
    PUNSTER_TRY(require_condition(root));
    program_->root = root;
    program_->syntax = options_.syntax;
    return std::shared_ptr<const Match::Program>(program_);
  }

 private:
  // --- errors and tokens

  [[nodiscard]] Error fault_at_position(std::size_t position, const std::string& complaint) const {
    return fault_at("bad_expression", expression_, position, complaint);
  }
  [[nodiscard]] Error fault(const std::string& complaint) const {
    return fault_at_position(now().position, complaint);
  }
  [[nodiscard]] static std::string shown(const Token& token) {
    if (token.kind == Token::Kind::end) return "the end";
    if (token.kind == Token::Kind::string) return "a string";
    if (token.kind == Token::Kind::regex) return "a regular expression";
    return "`" + token.text + "`";
  }
  [[nodiscard]] const Token& now() const { return tokens_[at_]; }
  [[nodiscard]] const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool take(std::string_view text) {
    if (!now().is(text)) return false;
    ++at_;
    return true;
  }
  Result<void> expect(std::string_view text) {
    if (take(text)) return success();
    return fault("expected `" + std::string(text) + "`, not " + shown(now()));
  }

  // --- nodes; `types_` and `positions_` say of each what it may be and where it stands

  Id add(const Node& node, Types types, std::size_t position) {
    program_->nodes.push_back(node);
    program_->nodes.back().steps = steps_;
    types_.push_back(types);
    positions_.push_back(position);
    return static_cast<Id>(program_->nodes.size() - 1);
  }
  Id add(Node::Op op, Types types, std::size_t position, Id a = 0, Id b = 0) {
    Node node;
    node.op = op;
    node.a = a;
    node.b = b;
    return add(node, types, position);
  }
  Id constant(const Value& value, std::size_t position) {
    program_->constants.push_back(value);
    return add(Node::Op::constant, value.type, position,
               static_cast<Id>(program_->constants.size() - 1));
  }
  Id constant(Types type, std::int64_t number, std::size_t position) {
    Value value;
    value.type = type;
    value.number = number;
    return constant(value, position);
  }
  Id constant(Register reg, std::size_t position) {
    Value value;
    value.type = is::reg;
    value.reg = reg;
    return constant(value, position);
  }
  Result<void> require_condition(Id id) const {
    if (types_[id] & (is::condition | is::number)) return success();
    return fault_at_position(positions_[id], "expected a condition, but this is " +
                                                 describe(types_[id]) + "; compare it with something");
  }
  Result<void> require_number(Id id) const {
    if (types_[id] & (is::condition | is::number)) return success();
    return fault_at_position(positions_[id], "expected a number, but this is " + describe(types_[id]));
  }
  [[nodiscard]] bool comparable(Id a, Id b) const {
    const auto widened = [](Types t) {
      return t & is::condition ? static_cast<Types>(t | is::number) : t;
    };
    return (widened(types_[a]) & widened(types_[b])) != 0;
  }

  // --- conditions

  struct Deeper {
    explicit Deeper(unsigned& depth) : depth_(++depth) {}
    ~Deeper() { --depth_; }
    unsigned& depth_;
  };

  Result<Id> either() {
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

  Result<Id> both() {
    PUNSTER_TRY(Id left, inversion());
    while (now().is("and") || now().is("&&")) {
      const auto position = now().position;
      ++at_;
      PUNSTER_TRY(const Id right, inversion());
      PUNSTER_TRY(left, join(Node::Op::both, left, right, position));
    }
    return left;
  }

  Result<Id> join(Node::Op op, Id left, Id right, std::size_t position) {
    PUNSTER_TRY(require_condition(left));
    PUNSTER_TRY(require_condition(right));
    return add(op, is::condition, position, left, right);
  }

  Result<Id> inversion() {
    const auto position = now().position;
    if (!take("not") && !take("!")) return comparison();
    const Deeper deeper(depth_);
    if (depth_ > max_depth) return fault("the expression is nested too deeply");
    PUNSTER_TRY(const Id operand, inversion());
    PUNSTER_TRY(require_condition(operand));
    return add(Node::Op::invert, is::condition, position, operand);
  }

  Result<Id> comparison() {
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

  Result<Id> compare(Id left, Node::Op op, const Token& sign) {
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

  // The pattern under the cursor, as an index of regexes.
  Result<Id> regex() {
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

  // --- sets

  Result<Id> member(Id left, const Token& sign) {
    if (now().kind == Token::Kind::string) {
      PUNSTER_TRY(require_number(left));
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
      return fault_at_position(positions_[left],
                               "expected a register before `in`, but this is " + describe(types_[left]));
    return add(Node::Op::in_registers, is::condition, sign.position, list({left}), set);
  }

  Id list(std::vector<Id> members) {
    program_->lists.push_back(std::move(members));
    return static_cast<Id>(program_->lists.size() - 1);
  }

  Result<Id> member_of_literal(Id left, const Token& sign) {
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

  // The members of {...}, regular expressions among them, that `left` is looked for in.
  Result<std::vector<Id>> set_literal(Id left) {
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

  // {rax, rdx} in writes
  Result<Id> registers_in_set() {
    PUNSTER_TRY(expect("{"));
    std::vector<Id> members;
    do {
      PUNSTER_TRY(const Id id, sum(0));
      if (!(types_[id] & is::reg))
        return fault_at_position(positions_[id], "a set on the left of `in` holds registers, but this "
                                                 "is " + describe(types_[id]));
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

  // --- numbers

  Result<Id> sum(std::size_t level) {
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

  Result<Id> unary() {
    const Token& sign = now();
    if (!sign.is("-") && !sign.is("~")) return operand();
    ++at_;
    // The access of an operand that is not accessed: op[0].access == -
    if (sign.text == "-" && (now().kind == Token::Kind::end || now().is(")") || now().is("}") ||
                             now().is(",") || now().is("and") || now().is("or") || now().is("&&") ||
                             now().is("||")))
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

  // --- operands

  Result<Id> operand() {
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
      case Token::Kind::memory: return memory(token);
      case Token::Kind::symbol:
      case Token::Kind::path: {
        ++at_;
        const auto address = options_.names ? options_.names(token.text) : std::nullopt;
        if (!address)
          return fault_at_position(token.position,
                                   "no symbol or section `" + token.text + "` in this file");
        return constant(is::number, static_cast<std::int64_t>(address->value), token.position);
      }
      case Token::Kind::name: return named(token);
      case Token::Kind::regex:
        return fault("a regular expression stands behind =~ or ==, as in asm =~ /mov.*/");
      case Token::Kind::end: return fault("expected something to match, not the end");
      case Token::Kind::punctuation: break;
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

  Result<Id> memory(const Token& token) {
    const auto parsed = parse_memory_literal(token.text, static_cast<unsigned>(token.number));
    if (!parsed)
      return fault_at_position(token.position, "not a memory operand; write it as in AT&T assembly: "
                                               "mem64<0x8(%rsp,%rax,8)>");
    ++at_;
    program_->memory_operands.push_back(*parsed);
    Value value;
    value.type = is::memory;
    value.memory = &program_->memory_operands.back();
    return constant(value, token.position);
  }

  Result<Id> static_address(const Token& sign) {
    const auto family = now().kind == Token::Kind::name ? family_named(now().text) : std::nullopt;
    if (!family || !next().is("["))
      return fault("expected a symbol or a memory operand behind `&`");
    ++at_;
    PUNSTER_TRY(const auto which, index());
    Node node;
    node.op = Node::Op::static_address;
    node.family = *family;
    node.a = which;
    return add(node, is::number, sign.position);
  }

  // "[3]"
  Result<Id> index() {
    PUNSTER_TRY(expect("["));
    if (now().kind != Token::Kind::number || now().number < 0 || now().number > 1'000'000)
      return fault("expected a number from 0 on, not " + shown(now()));
    const auto value = static_cast<Id>(now().number);
    ++at_;
    PUNSTER_TRY(expect("]"));
    return value;
  }

  Result<Id> named(const Token& token) {
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
    if (word == "I" && now().is("[")) return other_instruction();
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

  std::optional<Id> enumeration(std::string_view word, std::size_t position) {
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

  Result<Id> attribute_value(const AttributeName& attribute, std::size_t position) {
    Node node;
    node.op = Node::Op::attribute;
    node.attribute = attribute.attribute;
    const Id id = add(node, attribute.type, position);
    // "reads rax" for "rax in reads"
    if (attribute.type != is::register_set || now().kind != Token::Kind::name) return id;
    const auto reg = register_named(now().text);
    if (!reg) return id;
    const Id member = constant(*reg, now().position);
    ++at_;
    return add(Node::Op::in_registers, is::condition, position, list({member}), id);
  }

  // Behind "I": "[-1].mnemonic"
  Result<Id> other_instruction() {
    if (steps_ != 0) return fault("I[...] cannot be asked of I[...]");
    PUNSTER_TRY(expect("["));
    const bool negative = take("-");
    if (now().kind != Token::Kind::number || now().number > 1'000)
      return fault("expected a number of instructions, at most 1000, not " + shown(now()));
    steps_ = static_cast<std::int32_t>(negative ? -now().number : now().number);
    ++at_;
    const auto attribute = [&]() -> Result<Id> {
      PUNSTER_TRY(expect("]"));
      PUNSTER_TRY(expect("."));
      const Token& token = now();
      if (token.kind != Token::Kind::name ||
          !(attribute_named(token.text) || family_named(token.text) || token.text == "bytes"))
        return fault("expected an attribute behind I[...]" + did_you_mean(token.text, all_words()));
      return named(token);
    };
    auto id = attribute();
    steps_ = 0;
    return id;
  }

  // Behind "op", "mem", ...: ".size", "[0]" or "[0].base"
  Result<Id> family_member(Family family, std::size_t position) {
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
  Result<Id> cell(const Token& token) {
    PUNSTER_TRY(const auto column, index());
    auto found = table_of_.find(token.text);
    if (found == table_of_.end()) {
      auto table = read_table(token.text + ".csv");
      if (!table)
        return fault_at_position(token.position, "unknown attribute `" + token.text + "`" +
                                                     did_you_mean(token.text, all_words()) +
                                                     "; and " + table.error().message);
      program_->tables.push_back(std::move(table.value()));
      found = table_of_.emplace(token.text, static_cast<Id>(program_->tables.size() - 1)).first;
    }
    return add(Node::Op::cell, is::number | is::text, token.position, column, found->second);
  }

  std::string_view expression_;
  const MatchOptions& options_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
  std::int32_t steps_ = 0;
  std::shared_ptr<Match::Program> program_;
  std::vector<Types> types_;
  std::vector<std::size_t> positions_;
  std::map<std::string, Id> table_of_;
};

}  // namespace

Result<std::shared_ptr<const Match::Program>> compile_expression(std::string_view expression,
                                                                 const MatchOptions& options) {
  PUNSTER_TRY(auto tokens, tokenise(expression));
  return Parser(expression, options, std::move(tokens)).run();
}

}  // namespace punster
