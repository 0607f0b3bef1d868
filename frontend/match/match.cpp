// Matching runs once for every instruction of the binary: 635,000 times for git, 30 million for a
// browser. So an expression is compiled once into a flat tree, and each instruction is decoded only
// as far as the tree asks, left to right: `true` and `addr in "sites.csv"` decode nothing, `jmp`
// looks at the opcode bytes before it pays for a decoder, and only `asm` formats text. Write the
// cheap test first: `jcc and asm =~ /.../` formats conditional jumps only.
//
// Measured over git's 628,449 instructions, CPU time of one core: `true` 1 ms, `jmp` 27 ms, `asm =~
// /mov.*%rax/` 152 ms, `rax in writes` 166 ms. `unit_match "[speed]"` prints the table.

#include "frontend/match/match.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <memory>

#include "frontend/match/instruction_view.h"
#include "frontend/match/memory_literal.h"
#include "frontend/match/parser.h"

namespace punster {
namespace {

using Op = Node::Op;

bool is_number(const Value& v) {
  return v.type & (is::condition | is::number);
}

bool same(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) return a.number == b.number;
  if (a.type != b.type) return false;
  switch (a.type) {
    case is::text:
      return a.text == b.text;
    case is::reg:
      return a.reg == b.reg;
    case is::memory:
      return same_memory(*a.memory, *b.memory);
    default:
      return a.number == b.number;
  }
}

// The instruction and its neighbours, decoded as far as any of the programs has asked.
class Views {
 public:
  Views(const Insn& insn, const MatchContext& context, Syntax syntax)
      : context_(context), syntax_(syntax), here_(insn, context, syntax) {}

  [[nodiscard]] InstructionView& here() { return here_; }
  // Null when there is no such instruction.
  [[nodiscard]] InstructionView* at(std::int32_t steps, Scope scope) {
    if (scope != Scope::all && !within(steps, scope)) return nullptr;
    if (steps == 0) return &here_;
    auto& other = others_[steps];
    if (!other)
      if (const auto insn = context_.neighbour(here_.insn(), steps))
        other = std::make_unique<InstructionView>(*insn, context_, syntax_);
    return other.get();
  }

 private:
  // Whether this instruction and the one `steps` away belong to the same block or function.
  [[nodiscard]] bool within(std::int32_t steps, Scope scope) const {
    const auto kind = scope == Scope::block ? ExtentKind::block : ExtentKind::function;
    const Extent* extent = context_.extent(kind, here_.insn().address());
    const std::optional<Insn> other =
        steps == 0 ? here_.insn() : context_.neighbour(here_.insn(), steps);
    return extent && other && extent == context_.extent(kind, other->address());
  }

  const MatchContext& context_;
  const Syntax syntax_;
  InstructionView here_;
  std::map<std::int32_t, std::unique_ptr<InstructionView>> others_;
};

class Evaluation {
 public:
  Evaluation(const Match::Program& program, Views& views) : program_(program), views_(views) {}

  bool holds(std::uint32_t id) {
    const Node& node = program_.nodes[id];
    switch (node.op) {
      case Op::both:
        return holds(node.a) && holds(node.b);
      case Op::either:
        return holds(node.a) || holds(node.b);
      case Op::invert:
        return !holds(node.a);
      case Op::is_defined:
        return value(node.a).defined();
      case Op::equal:
      case Op::different:
      case Op::less:
      case Op::less_equal:
      case Op::greater:
      case Op::greater_equal:
        return compare(node);
      case Op::matches:
      case Op::mismatches: {
        const Value v = value(node.a);
        return v.type == is::text &&
               program_.regexes[node.b].matches(v.text) == (node.op == Op::matches);
      }
      case Op::in_numbers: {
        const Value v = value(node.a);
        const auto& set = program_.number_sets[node.b];
        return is_number(v) &&
               std::binary_search(set.begin(), set.end(), static_cast<std::uint64_t>(v.number));
      }
      case Op::in_list:
        return in_list(node);
      case Op::in_registers:
        return in_registers(node);
      default: {
        const Value v = value(id);
        return is_number(v) && v.number != 0;
      }
    }
  }

  // Views what the instruction's view or the program holds.
  Value value(std::uint32_t id) {
    const Node& node = program_.nodes[id];
    if (node.op == Op::constant) return program_.constants[node.a];
    InstructionView* v = views_.at(node.steps, node.scope);
    switch (node.op) {
      case Op::attribute:
        return v ? v->attribute(node.attribute) : Value{};
      case Op::byte:
        return v ? v->byte(node.a) : Value{};
      case Op::family_count:
        return v ? v->family_count(node.family) : Value{};
      case Op::operand:
        return v ? v->operand(node.family, node.a) : Value{};
      case Op::field:
        return v ? v->field(node.family, node.a, node.field) : Value{};
      case Op::static_address:
        return v ? v->static_address(node.family, node.a) : Value{};
      case Op::extent:
        return v ? v->extent(static_cast<ExtentKind>(node.b), node.extent_field) : Value{};
      case Op::cell:
        return cell(program_.tables[node.b], node.a);
      case Op::negate:
      case Op::complement:
        return arithmetic(node, value(node.a), value(node.a));
      case Op::add:
      case Op::subtract:
      case Op::multiply:
      case Op::divide:
      case Op::modulo:
      case Op::bit_and:
      case Op::bit_or:
      case Op::bit_xor:
      case Op::shift_left:
      case Op::shift_right:
        return arithmetic(node, value(node.a), value(node.b));
      default: {
        Value result;
        result.type = is::condition;
        result.number = holds(id);
        return result;
      }
    }
  }

 private:
  Value cell(const Table& table, std::uint32_t column) {
    const auto row = table.find(views_.here().insn().address().value);
    if (row == table.end() || column >= row->second.size()) return {};
    const Cell& cell = row->second[column];
    Value v;
    if (const auto* number = std::get_if<std::int64_t>(&cell)) {
      v.type = is::number;
      v.number = *number;
    } else {
      v.type = is::text;
      v.text = std::get<std::string>(cell);
    }
    return v;
  }

  // 64-bit, wrapping, as the processor does it; division by zero is undefined.
  static Value arithmetic(const Node& node, const Value& left, const Value& right) {
    if (!is_number(left) || !is_number(right)) return {};
    const auto a = static_cast<std::uint64_t>(left.number),
               b = static_cast<std::uint64_t>(right.number);
    std::uint64_t result = 0;
    switch (node.op) {
      case Op::negate:
        result = 0 - a;
        break;
      case Op::complement:
        result = ~a;
        break;
      case Op::add:
        result = a + b;
        break;
      case Op::subtract:
        result = a - b;
        break;
      case Op::multiply:
        result = a * b;
        break;
      case Op::bit_and:
        result = a & b;
        break;
      case Op::bit_or:
        result = a | b;
        break;
      case Op::bit_xor:
        result = a ^ b;
        break;
      case Op::shift_left:
        result = b < 64 ? a << b : 0;
        break;
      case Op::shift_right:
        result = b < 64 ? a >> b : 0;
        break;
      case Op::divide:
      case Op::modulo:
        if (right.number == 0) return {};
        if (right.number == -1)  // the one quotient that does not fit, -2^63 / -1, wraps
          result = node.op == Op::divide ? 0 - a : 0;
        else
          result = static_cast<std::uint64_t>(node.op == Op::divide ? left.number / right.number
                                                                    : left.number % right.number);
        break;
      default:
        break;
    }
    Value v;
    v.type = is::number;
    v.number = static_cast<std::int64_t>(result);
    return v;
  }

  bool compare(const Node& node) {
    const Value a = value(node.a);
    if (!a.defined()) return false;
    const Value b = value(node.b);
    if (!b.defined()) return false;
    if (node.op == Op::equal) return same(a, b);
    if (node.op == Op::different) return !same(a, b);
    if (!is_number(a) || !is_number(b)) return false;
    switch (node.op) {
      case Op::less:
        return a.number < b.number;
      case Op::less_equal:
        return a.number <= b.number;
      case Op::greater:
        return a.number > b.number;
      default:
        return a.number >= b.number;
    }
  }

  bool in_list(const Node& node) {
    const Value sought = value(node.a);
    if (!sought.defined()) return false;
    const auto& members = program_.lists[node.b];
    return std::any_of(members.begin(), members.end(), [&](std::uint32_t id) {
      if (program_.nodes[id].op == Op::matches) return holds(id);
      const Value member = value(id);
      return member.defined() && same(sought, member);
    });
  }

  bool in_registers(const Node& node) {
    const Value set = value(node.b);
    if (set.type != is::register_set) return false;
    const auto& members = program_.lists[node.a];
    return std::all_of(members.begin(), members.end(), [&](std::uint32_t id) {
      const Value member = value(id);
      return member.type == is::reg && set.registers->overlaps(member.reg);
    });
  }

  const Match::Program& program_;
  Views& views_;
};

// Whether the tree below `id` is true without asking anything.
bool constantly_true(const Match::Program& program, std::uint32_t id) {
  const Node& node = program.nodes[id];
  switch (node.op) {
    case Op::constant:
      return program.constants[node.a].number != 0;
    case Op::both:
      return constantly_true(program, node.a) && constantly_true(program, node.b);
    case Op::either:
      return constantly_true(program, node.a) || constantly_true(program, node.b);
    default:
      return false;
  }
}

}  // namespace

Match::Match(std::vector<std::shared_ptr<const Program>> programs)
    : programs_(std::move(programs)) {
  std::erase_if(programs_, [](const auto& p) { return constantly_true(*p, p->root); });
}

Result<Match> Match::parse(std::string_view expression, const MatchOptions& options) {
  PUNSTER_TRY(auto program, compile_expression(expression, options));
  return Match({std::move(program)});
}

Match Match::all_of(std::span<const Match> matches) {
  std::vector<std::shared_ptr<const Program>> all;
  for (const Match& match : matches)
    all.insert(all.end(), match.programs_.begin(), match.programs_.end());
  return Match(std::move(all));
}

bool Match::matches(const Insn& insn, const MatchContext& context) const {
  if (programs_.empty()) return true;
  Views views(insn, context, programs_.front()->syntax);
  return std::all_of(programs_.begin(), programs_.end(), [&](const auto& program) {
    assert(program->syntax == programs_.front()->syntax);
    return Evaluation(*program, views).holds(program->root);
  });
}

Expression::Expression(std::shared_ptr<const Match::Program> program)
    : program_(std::move(program)) {}

Result<Expression> Expression::parse(std::string_view text, std::size_t from, std::size_t size,
                                     const MatchOptions& options) {
  PUNSTER_TRY(auto program, compile_value(text, from, size, options));
  return Expression(std::move(program));
}

ExpressionValue Expression::at(const Insn& insn, const MatchContext& context) const {
  using Kind = ExpressionValue::Kind;
  Views views(insn, context, program_->syntax);
  const Value value = Evaluation(*program_, views).value(program_->root);
  if (is_number(value)) return {Kind::number, value.number, {}};
  if (value.type == is::text) return {Kind::text, 0, std::string(value.text)};
  return {};
}

bool Match::always() const {
  return programs_.empty();
}

}  // namespace punster
