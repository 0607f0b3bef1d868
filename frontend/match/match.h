// Match expressions: which instructions become sites.
//
//   auto context = ImageContext(image, code_map);                       // image_context.h
//   PUNSTER_TRY(auto match, Match::parse("jcc and size < 5", {Syntax::att, context.names()}));
//   for (const Insn& insn : code_map.instructions)
//     if (match.matches(insn, context)) ...
//
// The language is described in README.md beside this file. Errors have the kind "bad_expression";
// their message holds the expression and a caret line below it, `where` is "column N" (from 1).

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/decode/details.h"
#include "frontend/image/source_lines.h"
#include "protocol/address.h"
#include "protocol/instruction.h"
#include "protocol/result.h"

namespace punster {

enum class ExtentKind : std::uint8_t { block, function };

/// A basic block or a function. See extents.h.
struct Extent {
  Vaddr lo, hi;  // from its first instruction to the end of its last one
  Vaddr last;    // the last instruction
  Vaddr best;    // the one that is cheapest to instrument
  std::uint32_t instructions = 0;
};

/// What an expression may ask about the binary. Each is asked only by expressions that need it, and
/// from any thread.
class MatchContext {
 public:
  virtual ~MatchContext() = default;
  /// The bytes of `insn`, exactly its length.
  [[nodiscard]] virtual std::span<const std::uint8_t> bytes(const Insn& insn) const = 0;
  [[nodiscard]] virtual std::optional<FileOffset> offset(Vaddr address) const = 0;
  /// The name of the section, or "".
  [[nodiscard]] virtual std::string_view section(Vaddr address) const = 0;
  /// The name of the function or object that contains `address` (no "+0x12"), or "".
  [[nodiscard]] virtual std::string_view symbol(Vaddr address) const = 0;
  /// The known instruction `steps` (positive or negative) away in address order: I[1], I[-1].
  [[nodiscard]] virtual std::optional<Insn> neighbour(const Insn& insn, int steps) const = 0;
  /// The block or function that the instruction at `address` belongs to, or nullptr.
  [[nodiscard]] virtual const Extent* extent(ExtentKind kind, Vaddr address) const = 0;
  /// The source line that the instruction at `address` came from.
  [[nodiscard]] virtual std::optional<SourceLine> line(Vaddr address) const = 0;
};

/// The address of a symbol ("main"), or of a section's begin or end (".text", ".text.start",
/// ".text.end"); nothing when the binary has no such name.
using NameResolver = std::function<std::optional<Vaddr>(std::string_view)>;

struct MatchOptions {
  Syntax syntax = Syntax::att;
  NameResolver names = nullptr;  // without it, `&main` is an error
  bool files = true;             // false: expressions may not name files (a stranger wrote them)
  /// Asked when an expression asks for source lines: its error is that of parsing. Without it, they
  /// are an error.
  std::function<Result<void>()> need_lines = nullptr;
};

/// A compiled expression: immutable, cheap to copy, shared by all threads.
class Match {
 public:
  /// Reads the CSV and JSON files that the expression names.
  static Result<Match> parse(std::string_view expression, const MatchOptions& options = {});
  /// Several -M before one -P: all must match. None at all: everything matches. Precondition: all
  /// were parsed for the same syntax.
  static Match all_of(std::span<const Match> matches);

  [[nodiscard]] bool matches(const Insn& insn, const MatchContext& context) const;
  /// True for `true` and what is always true without looking at the instruction.
  [[nodiscard]] bool always() const;

  struct Program;  // program.h: the compiled form, of no interest outside of frontend/match

 private:
  explicit Match(std::vector<std::shared_ptr<const Program>> programs);
  std::vector<std::shared_ptr<const Program>> programs_;
};

/// What an expression that is no condition comes to at an instruction.
struct ExpressionValue {
  enum class Kind : std::uint8_t { undefined, number, text } kind = Kind::undefined;
  std::int64_t number = 0;  // of conditions, 0 or 1
  std::string text;
};

/// An expression for a value: `size + 1`, `F.name`, `calls[2]`. Like Match in all else.
class Expression {
 public:
  /// Of `text`, the part [from, from + size); faults point into the whole.
  static Result<Expression> parse(std::string_view text, std::size_t from, std::size_t size,
                                  const MatchOptions& options);
  [[nodiscard]] ExpressionValue at(const Insn& insn, const MatchContext& context) const;

 private:
  explicit Expression(std::shared_ptr<const Match::Program> program);
  std::shared_ptr<const Match::Program> program_;
};

}  // namespace punster
