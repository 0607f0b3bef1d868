// A compiled match expression: a flat tree of nodes, operands before operators.

#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "frontend/match/address_file.h"
#include "frontend/match/match.h"
#include "frontend/match/regex.h"

namespace punster {

enum class Attribute : std::uint8_t {
  // conditions
  jmp,
  jcc,
  call,
  ret,
  syscall,
  x87,
  mmx,
  sse,
  avx,
  avx2,
  avx512,
  // text
  assembly,
  mnemonic,
  section,
  symbol,
  // numbers
  addr,
  offset,
  size,
  random,
  target,
  rex,
  modrm,
  sib,
  disp8,
  disp32,
  imm8,
  imm32,
  // sets of registers
  regs,
  reads,
  writes,
  // of the source line
  file,
  absname,
  basename,
  dirname,
  line,
  line_entry,
};

/// Which operands op[i], src[i], ... count.
enum class Family : std::uint8_t { op, src, dst, reg, mem, imm };

enum class Field : std::uint8_t { type, access, size, base, index, scale, displacement, segment };

/// Of a basic block or a function: BB.size, F.name.
enum class ExtentField : std::uint8_t { addr, offset, entry, exit, best, size, len, name };

/// Among which instructions I[n], BB[n] and F[n] count.
enum class Scope : std::uint8_t { all, block, function };

/// What a value may be: a bit each, so that the parser can say what a comparison can never be.
using Types = std::uint16_t;
namespace is {
inline constexpr Types undefined = 0, condition = 1, number = 2, text = 4, reg = 8, memory = 16,
                       operand_type = 32, operand_access = 64, register_set = 128;
}
[[nodiscard]] std::string describe(Types types);

/// A value, or a view of one. Which member counts follows from `type`.
struct Value {
  Types type = is::undefined;
  Register reg;
  std::int64_t number = 0;  // also of conditions, operand types and accesses
  std::string_view text;
  const Operand* memory = nullptr;
  const RegisterSet* registers = nullptr;
  [[nodiscard]] bool defined() const { return type != is::undefined; }
};

struct Node {
  enum class Op : std::uint8_t {
    constant,        // constants[a]
    attribute,       // attribute
    byte,            // byte a of the instruction
    family_count,    // number of operands of `family`
    operand,         // operand a of `family`
    field,           // `field` of operand a of `family`
    static_address,  // where memory operand a of `family` lies
    extent,          // `extent_field` of the block or function (b: ExtentKind)
    cell,            // column a of tables[b] in the instruction's row
    negate,
    complement,  // of node a
    add,
    subtract,
    multiply,
    divide,
    modulo,
    bit_and,
    bit_or,
    bit_xor,
    shift_left,
    shift_right,
    equal,
    different,
    less,
    less_equal,
    greater,
    greater_equal,  // of nodes a and b
    matches,
    mismatches,    // node a against regexes[b]
    in_numbers,    // node a in number_sets[b]
    in_list,       // node a equal to, or matched by, one of the nodes in lists[b]
    in_registers,  // every register of the nodes in lists[a] in the set that is node b
    both,
    either,
    invert,      // and, or, not
    is_defined,  // node a
  } op = Op::constant;
  Attribute attribute{};
  Family family{};
  Field field{};
  ExtentField extent_field{};
  Scope scope = Scope::all;  // of `steps`
  std::int32_t steps = 0;    // I[steps]: which instruction is asked
  std::uint32_t a = 0, b = 0;
};

struct Match::Program {
  std::vector<Node> nodes;
  std::uint32_t root = 0;
  Syntax syntax = Syntax::att;
  std::vector<Value> constants;
  std::deque<std::string> texts;        // what text constants view
  std::deque<Operand> memory_operands;  // what memory constants point at
  std::vector<Regex> regexes;
  std::vector<std::vector<std::uint64_t>> number_sets;  // each sorted, unique
  std::vector<std::vector<std::uint32_t>> lists;        // of nodes
  std::vector<Table> tables;

  Program() = default;
  Program(const Program&) = delete;  // constants point into it
  Program& operator=(const Program&) = delete;
};

}  // namespace punster
