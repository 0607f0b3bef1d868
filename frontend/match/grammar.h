// The parser's inside: one member function per production of the grammar in parser.h. Conditions
// and sets stand in conditions.cpp, numbers and operands in operands.cpp.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/match/attributes.h"
#include "frontend/match/lexer.h"
#include "frontend/match/program.h"

namespace punster {

class Grammar {
 public:
  /// Borrows all but the tokens.
  Grammar(std::string_view expression, const MatchOptions& options, std::vector<Token> tokens);
  Result<std::shared_ptr<const Match::Program>> run();
  /// The same for what need not be a condition.
  Result<std::shared_ptr<const Match::Program>> run_for_value();

 private:
  using Id = std::uint32_t;  // of a node

  // Conditions.
  Result<Id> either();
  Result<Id> both();
  Result<Id> join(Node::Op op, Id left, Id right, std::size_t position);
  Result<Id> inversion();
  Result<Id> comparison();
  Result<Id> compare(Id left, Node::Op op, const Token& sign);
  Result<Id> regex();  // the pattern under the cursor, as an index of regexes

  // Sets.
  Result<Id> member(Id left, const Token& sign);
  Result<Id> member_of_literal(Id left, const Token& sign);
  /// The members of {...}, regular expressions among them, that `left` is looked for in.
  Result<std::vector<Id>> set_literal(Id left);
  Result<Id> registers_in_set();  // {rax, rdx} in writes
  Id list(std::vector<Id> members);

  // Numbers: binary operators from precedence `level` up, signs.
  Result<Id> sum(std::size_t level);
  Result<Id> unary();

  // Operands.
  Result<Id> operand();
  Result<Id> address_of_name(const Token& token);
  Result<Id> memory(const Token& token);
  Result<Id> static_address(const Token& sign);  // behind "&"
  Result<Id> index();                            // "[3]"
  Result<Id> named(const Token& token);
  std::optional<Id> enumeration(std::string_view word, std::size_t position);
  [[nodiscard]] Result<void> need_lines(std::size_t position) const;
  Result<Id> attribute_value(const AttributeName& attribute, std::size_t position);
  /// Behind "I", "BB" or "F": "[-1].mnemonic".
  Result<Id> other_instruction(Scope scope);
  /// Behind "BB" or "F": nothing, ".size", or "[-1].mnemonic".
  Result<Id> block_or_function(ExtentKind kind, std::size_t position);
  /// Behind "op", "mem", ...: ".size", "[0]" or "[0].base".
  Result<Id> family_member(Family family, std::size_t position);
  Result<Id> cell(const Token& token);  // NAME[i]: column i of NAME.csv

  // Tokens.
  [[nodiscard]] const Token& now() const { return tokens_[at_]; }
  [[nodiscard]] const Token& next() const;
  bool take(std::string_view text);
  Result<void> expect(std::string_view text);
  [[nodiscard]] static std::string shown(const Token& token);
  [[nodiscard]] Error fault(const std::string& complaint) const;
  [[nodiscard]] Error fault_at_position(std::size_t position, const std::string& complaint) const;

  // Nodes.
  Id add(const Node& node, Types types, std::size_t position);
  Id add(Node::Op op, Types types, std::size_t position, Id a = 0, Id b = 0);
  Id constant(const Value& value, std::size_t position);
  Id constant(Types type, std::int64_t number, std::size_t position);
  Id constant(Register reg, std::size_t position);
  [[nodiscard]] Result<void> require_condition(Id id) const;
  [[nodiscard]] Result<void> require_number(Id id) const;
  [[nodiscard]] bool comparable(Id a, Id b) const;

  /// Counts productions that contain themselves, so that no input overflows the stack.
  struct Deeper {
    explicit Deeper(unsigned& depth) : depth_(++depth) {}
    ~Deeper() { --depth_; }
    unsigned& depth_;
  };
  static constexpr unsigned max_depth = 200;

  std::string_view expression_;
  const MatchOptions& options_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
  std::int32_t steps_ = 0;  // within I[steps], else 0
  Scope scope_ = Scope::all;
  bool elsewhere_ = false;  // within I[...], BB[...] or F[...]
  std::shared_ptr<Match::Program> program_;
  std::vector<Types> types_;            // of each node: what it may be
  std::vector<std::size_t> positions_;  // of each node: where it stands
  std::map<std::string, Id> table_of_;  // CSV files read already, by name
};

}  // namespace punster
