// What a call passes on: the arguments of `-P 'f(rax, &op[0], asm)@FILE'`, as e9tool names them.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "frontend/match/match.h"
#include "frontend/match/program.h"

namespace punster {

/// The type of an argument, as overloads of C++ functions see it.
struct HookType {
  enum class Base : std::uint8_t {
    i8,
    i16,
    i32,
    i64,
    byte,
    character,
    nothing,
    null
  } base = Base::i64;
  bool pointer = false, constant = false;
  friend bool operator==(const HookType&, const HookType&) = default;
};
/// As compilers spell it in symbols: "long", "char const*".
[[nodiscard]] std::string to_string(const HookType& type);

struct CallArgument {
  enum class Kind : std::uint8_t {
    number,      // 3
    text,        // "abc"
    name,        // &main
    null,        // NULL
    assembly,    // asm
    asm_size,    // asm.size, with the zero byte
    asm_length,  // asm.len
    base,
    addr,
    id,
    bytes,
    next,
    target,
    trampoline,
    state,
    flags,   // or by pointer
    rflags,  // or by pointer
    rip,
    reg,             // rax, &eax, &xmm0
    operand,         // op[0], &mem[1]
    operand_reg,     // op[0].base, &mem[0].index
    operand_number,  // op[0].type, .access, .disp
    memory,          // mem64<8(%rsp)>
    extent,          // BB, F, BB.addr
    expression,      // size, F.name, hot[2], 1 + 2
  } kind = Kind::number;
  bool by_pointer = false;  // &
  bool fixed = false;       // (static): the address in the file
  std::optional<HookType> cast;
  std::size_t position = 0;  // in the action's text

  std::int64_t number = 0;  // or the address of `name`
  std::string text;
  Register reg;
  Family family{};
  std::uint32_t index = 0;
  Field field{};
  ExtentKind extent_kind{};
  Operand memory;
  std::optional<Expression> expression;

  /// The part [from, from + size) of an action's text. Errors: "bad_action", pointing into it.
  static Result<CallArgument> parse(std::string_view text, std::size_t from, std::size_t size,
                                    const MatchOptions& options);

  /// Whether it is made by the same code at every site.
  [[nodiscard]] bool uniform() const;
  /// Whether it may point to bytes that stand behind the body.
  [[nodiscard]] bool may_have_data() const;
  /// Whether it may matter where rsp points.
  [[nodiscard]] bool may_need_stack() const;
};

}  // namespace punster
