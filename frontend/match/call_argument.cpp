#include "frontend/match/call_argument.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "frontend/match/attributes.h"
#include "frontend/match/fault.h"
#include "frontend/match/memory_literal.h"

namespace punster {
namespace {

using Kind = CallArgument::Kind;

struct Word {
  std::string_view text;
  Kind kind;
};
constexpr Word words[] = {
    {"NULL", Kind::null},
    {"asm", Kind::assembly},
    {"asm.size", Kind::asm_size},
    {"asm.len", Kind::asm_length},
    {"base", Kind::base},
    {"addr", Kind::addr},
    {"id", Kind::id},
    {"bytes", Kind::bytes},
    {"next", Kind::next},
    {"target", Kind::target},
    {"trampoline", Kind::trampoline},
    {"state", Kind::state},
    {"flags", Kind::flags},
    {"rflags", Kind::rflags},
    {"rip", Kind::rip},
};

bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

/// "const int8_t *", blanks removed or not.
std::optional<HookType> type_named(std::string_view text) {
  HookType type;
  text = trimmed(text);
  if (text.ends_with('*')) {
    type.pointer = true;
    text = trimmed(text.substr(0, text.size() - 1));
  }
  if (text.starts_with("const ")) {
    type.constant = true;
    text = trimmed(text.substr(6));
  }
  using Base = HookType::Base;
  constexpr std::pair<std::string_view, Base> bases[] = {
      {"int8_t", Base::i8},   {"int16_t", Base::i16},    {"int32_t", Base::i32},
      {"int64_t", Base::i64}, {"char", Base::character}, {"void", Base::nothing}};
  for (const auto& [name, base] : bases) {
    if (text != name) continue;
    type.base = base;
    const bool integer = base <= Base::i64;
    if (!type.pointer && (!integer || type.constant)) return std::nullopt;
    return type;
  }
  return std::nullopt;
}

class ArgumentParser {
 public:
  ArgumentParser(std::string_view whole, std::size_t from, std::size_t size,
                 const MatchOptions& options)
      : whole_(whole),
        options_(options),
        end_(from + size),
        rest_(trimmed(whole.substr(from, size))) {}

  Result<CallArgument> run() {
    argument_.position = rest_.empty() ? end_ : at();
    if (rest_.empty()) return fault("expected an argument");
    PUNSTER_TRY(cast());
    if (rest_.starts_with('&') && !rest_.starts_with("&&")) {
      argument_.by_pointer = true;
      rest_ = trimmed(rest_.substr(1));
    }
    PUNSTER_TRY(value());
    return check();
  }

 private:
  /// Where what is left begins.
  [[nodiscard]] std::size_t at() const {
    return rest_.empty() ? whole_.size() : static_cast<std::size_t>(rest_.data() - whole_.data());
  }
  [[nodiscard]] Error fault(const std::string& complaint) const {
    return fault_at("bad_action", whole_, rest_.empty() ? argument_.position : at(), complaint);
  }

  // "(static)", "(int8_t)", "(static int8_t)"; other parentheses belong to an expression.
  Result<void> cast() {
    if (!rest_.starts_with('(')) return success();
    const auto close = rest_.find(')');
    if (close == std::string_view::npos) return fault("this parenthesis is not closed");
    std::string_view inside = trimmed(rest_.substr(1, close - 1));
    const bool fixed = inside == "static" || inside.starts_with("static ");
    if (fixed) inside = trimmed(inside.substr(6));
    const auto type = type_named(inside);
    if (!fixed && !type) return success();
    if (fixed && !type && !inside.empty())
      return fault("`" + std::string(inside) +
                   "` is no type to cast to; there are int8_t, int16_t, int32_t, int64_t, and "
                   "pointers to these, to char and to void, const or not");
    argument_.fixed = fixed;
    argument_.cast = type;
    rest_ = trimmed(rest_.substr(close + 1));
    if (rest_.empty()) return fault("expected an argument behind the cast");
    return success();
  }

  Result<void> value() {
    if (argument_.by_pointer && rest_.starts_with('.')) return name();
    if (rest_.starts_with('"') || rest_.starts_with('\'')) return text();
    const auto length = static_cast<std::size_t>(
        std::find_if_not(rest_.begin(), rest_.end(), in_word) - rest_.begin());
    const std::string_view word = rest_.substr(0, length);
    const std::string_view behind = trimmed(rest_.substr(length));
    if (behind.empty() && length > 0 && plain(word)) return success();
    if (behind.starts_with('[') && family_named(word)) return operand(*family_named(word), behind);
    if (behind.starts_with('<') && word.starts_with("mem")) return memory(word, behind);
    if (argument_.by_pointer) return name();
    argument_.kind = Kind::expression;
    return expression(rest_);
  }

  // A word that stands for itself. False: it may be an expression or a symbol.
  bool plain(std::string_view word) {
    for (const Word& known : words)
      if (word == known.text) {
        argument_.kind = known.kind;
        return true;
      }
    if (const auto reg = register_named(word)) {
      argument_.kind = Kind::reg;
      argument_.reg = *reg;
      return true;
    }
    for (const auto& [stem, kind] :
         {std::pair{"BB", ExtentKind::block}, {"F", ExtentKind::function}})
      if (word == stem || word == std::string(stem) + ".addr") {
        argument_.kind = Kind::extent;
        argument_.extent_kind = kind;
        return true;
      }
    std::int64_t number = 0;
    const bool hexadecimal = word.starts_with("0x");
    const char* first = word.data() + (hexadecimal ? 2 : 0);
    std::uint64_t value = 0;
    const auto [end, failed] =
        std::from_chars(first, word.data() + word.size(), value, hexadecimal ? 16 : 10);
    if (failed != std::errc{} || end != word.data() + word.size()) return false;
    number = static_cast<std::int64_t>(value);
    argument_.kind = Kind::number;
    argument_.number = number;
    return true;
  }

  Result<void> text() {
    argument_.kind = Kind::expression;  // the lexer knows about quotes and backslashes
    PUNSTER_TRY(expression(rest_));
    const auto value = argument_.expression->at(Insn{}, NoContext{});
    argument_.expression.reset();
    if (value.kind != ExpressionValue::Kind::text) return fault("expected text alone");
    argument_.kind = Kind::text;
    argument_.text = value.text;
    return success();
  }

  Result<void> expression(std::string_view part) {
    const auto from = static_cast<std::size_t>(part.data() - whole_.data());
    auto parsed = Expression::parse(whole_, from, part.size(), options_);
    if (parsed.has_error()) {
      Error failure = std::move(parsed).error();
      failure.kind = "bad_action";
      if (failure.message.starts_with("unknown attribute")) return unknown(part);
      return failure;
    }
    argument_.expression = std::move(parsed).value();
    return success();
  }

  [[nodiscard]] Error unknown(std::string_view part) const {
    const std::string_view word =
        part.substr(0, static_cast<std::size_t>(
                           std::find_if_not(part.begin(), part.end(), in_word) - part.begin()));
    std::vector<std::string_view> candidates;
    for (const Word& known : words) candidates.push_back(known.text);
    candidates.insert(candidates.end(), {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                         "eax", "size", "offset", "op", "src", "dst", "mem"});
    const auto hint = did_you_mean(word, candidates);
    return fault("unknown argument `" + std::string(word) + "`" +
                 (hint.empty() ? "; there are numbers, \"text\", registers, &registers, op[0], "
                                 "&mem[0], &symbols, state, flags, addr, next, target, asm, bytes, "
                                 "size, id, ..."
                               : hint));
  }

  // &main, &.text.end
  Result<void> name() {
    argument_.kind = Kind::name;
    const auto address = options_.names ? options_.names(rest_) : std::nullopt;
    if (!address)
      return fault("`&" + std::string(rest_) +
                   "` is neither a register, an operand nor a symbol or section of the file");
    argument_.number = static_cast<std::int64_t>(address->value);
    return success();
  }

  // mem64<8(%rsp)>
  Result<void> memory(std::string_view word, std::string_view behind) {
    unsigned bits = 0;
    std::from_chars(word.data() + 3, word.data() + word.size(), bits);
    if (!behind.ends_with('>')) return fault("this `<` is not closed");
    const auto literal = parse_memory_literal(behind.substr(1, behind.size() - 2), bits);
    if (!literal || (bits != 8 && bits != 16 && bits != 32 && bits != 64))
      return fault("expected a memory operand such as mem64<0x8(%rsp,%rax,8)>");
    argument_.kind = Kind::memory;
    argument_.memory = *literal;
    return success();
  }

  // Behind "op": "[0]", "[0].base"
  Result<void> operand(Family family, std::string_view behind) {
    const auto close = behind.find(']');
    const std::string_view digits = trimmed(
        behind.substr(1, close == std::string_view::npos ? std::string_view::npos : close - 1));
    const auto [end, failed] =
        std::from_chars(digits.data(), digits.data() + digits.size(), argument_.index);
    if (close == std::string_view::npos || failed != std::errc{} ||
        end != digits.data() + digits.size())
      return fault("expected `" + std::string(to_string(family)) + "[0]`");
    argument_.family = family;
    const std::string_view field = trimmed(behind.substr(close + 1));
    if (field.empty()) {
      argument_.kind = Kind::operand;
      return success();
    }
    const FieldName* known = field.starts_with('.') ? field_named(field.substr(1)) : nullptr;
    if (known == nullptr && !argument_.by_pointer) {
      argument_.kind = Kind::expression;
      return expression(rest_);
    }
    if (known == nullptr) return fault("expected `.base`, `.index` or nothing behind the operand");
    argument_.field = known->field;
    argument_.kind = known->field == Field::base || known->field == Field::index
                         ? Kind::operand_reg
                         : Kind::operand_number;
    if (known->field == Field::segment)
      return fault(
          "a segment register cannot be passed; there are .base, .index, .scale, .disp, "
          ".size, .type and .access");
    return success();
  }

  Result<CallArgument> check() {
    const auto rest_at = argument_.position;
    const auto bad = [&](const std::string& complaint) {
      return fault_at("bad_action", whole_, rest_at, complaint);
    };
    const bool addressable = argument_.kind == Kind::name || argument_.kind == Kind::flags ||
                             argument_.kind == Kind::rflags || argument_.kind == Kind::reg ||
                             argument_.kind == Kind::operand ||
                             argument_.kind == Kind::operand_reg || argument_.kind == Kind::memory;
    if (argument_.by_pointer && !addressable)
      return bad(argument_.kind == Kind::rip
                     ? "`rip` cannot be written; `if f(...) goto` jumps"
                     : "this has no address; registers, operands, memory and symbols have one");
    if (argument_.fixed && argument_.kind != Kind::addr && argument_.kind != Kind::next &&
        argument_.kind != Kind::target && argument_.kind != Kind::name &&
        argument_.kind != Kind::extent && argument_.kind != Kind::rip)
      return bad("(static) is for addr, next, target, rip, BB, F and &symbols");
    if (argument_.kind == Kind::reg && argument_.reg == *register_named("rip"))
      argument_.kind = Kind::rip;
    if (argument_.kind == Kind::reg && !argument_.by_pointer &&
        (argument_.reg.kind == RegisterKind::xmm || argument_.reg.kind == RegisterKind::ymm ||
         argument_.reg.kind == RegisterKind::zmm))
      return bad("a vector register is passed by pointer: &" + to_string(argument_.reg));
    if (argument_.kind == Kind::reg && argument_.reg.kind > RegisterKind::mask)
      return bad("`" + to_string(argument_.reg) +
                 "` cannot be passed; general, vector and mask registers can");
    return std::move(argument_);
  }

  /// For text constants, which ask nothing.
  struct NoContext final : MatchContext {
    std::span<const std::uint8_t> bytes(const Insn&) const override { return {}; }
    std::optional<FileOffset> offset(Vaddr) const override { return {}; }
    std::string_view section(Vaddr) const override { return {}; }
    std::string_view symbol(Vaddr) const override { return {}; }
    std::optional<Insn> neighbour(const Insn&, int) const override { return {}; }
    const Extent* extent(ExtentKind, Vaddr) const override { return nullptr; }
    std::optional<SourceLine> line(Vaddr) const override { return {}; }
  };

  const std::string_view whole_;
  const MatchOptions& options_;
  const std::size_t end_;
  std::string_view rest_;
  CallArgument argument_;
};

}  // namespace

std::string to_string(const HookType& type) {
  if (type.base == HookType::Base::null) return "decltype(nullptr)";
  static constexpr const char* names[] = {"signed char",   "short", "int", "long",
                                          "unsigned char", "char",  "void"};
  std::string text = names[static_cast<unsigned>(type.base)];
  if (!type.pointer) return text;
  return text + (type.constant ? " const*" : "*");
}

Result<CallArgument> CallArgument::parse(std::string_view text, std::size_t from, std::size_t size,
                                         const MatchOptions& options) {
  return ArgumentParser(text, from, size, options).run();
}

bool CallArgument::uniform() const {
  switch (kind) {
    case Kind::number:
    case Kind::text:
    case Kind::name:
    case Kind::null:
    case Kind::base:
    case Kind::trampoline:
    case Kind::state:
    case Kind::flags:
    case Kind::rflags:
    case Kind::reg:
    case Kind::memory:
      return true;
    case Kind::addr:
    case Kind::rip:
      return !fixed;
    default:
      return false;
  }
}

bool CallArgument::may_have_data() const {
  return kind == Kind::text || kind == Kind::assembly || kind == Kind::bytes ||
         kind == Kind::expression || (kind == Kind::operand && by_pointer);
}

bool CallArgument::may_need_stack() const {
  const bool stack = reg.kind == RegisterKind::gpr64 && reg.number == 4;
  switch (kind) {
    case Kind::next:
    case Kind::target:
    case Kind::state:
    case Kind::operand:
    case Kind::operand_reg:
    case Kind::memory:
      return true;
    case Kind::reg:
      return stack || to_string(reg) == "esp" || to_string(reg) == "sp" || to_string(reg) == "spl";
    default:
      return false;
  }
}

}  // namespace punster
