// One instruction as an expression sees it: decoded as far as it has been asked, and no further.

#pragma once

#include <optional>

#include "frontend/match/program.h"

namespace punster {

class InstructionView {
 public:
  InstructionView(const Insn& insn, const MatchContext& context, Syntax syntax)
      : insn_(insn), context_(context), syntax_(syntax) {}
  InstructionView(const InstructionView&) = delete;  // values point into it
  InstructionView& operator=(const InstructionView&) = delete;

  [[nodiscard]] const Insn& insn() const { return insn_; }

  /// Values stay valid as long as the view. Undefined where the instruction has no such thing.
  [[nodiscard]] Value attribute(Attribute attribute);
  [[nodiscard]] Value byte(std::uint32_t index);
  [[nodiscard]] Value family_count(Family family);
  [[nodiscard]] Value operand(Family family, std::uint32_t index);
  [[nodiscard]] Value field(Family family, std::uint32_t index, Field field);
  [[nodiscard]] Value static_address(Family family, std::uint32_t index);
  [[nodiscard]] Value extent(ExtentKind kind, ExtentField field);

 private:
  std::span<const std::uint8_t> bytes();
  const InsnKind* kind();
  const Details* details();
  const Operand* find(Family family, std::uint32_t index);
  bool condition(Attribute attribute);
  Value number(Attribute attribute);
  std::string_view text(Attribute attribute);
  Value registers(Attribute attribute);
  Value source(Attribute attribute);

  const Insn insn_;
  const MatchContext& context_;
  const Syntax syntax_;
  std::span<const std::uint8_t> bytes_;
  bool kind_asked_ = false, details_asked_ = false;
  std::optional<InsnKind> kind_;
  std::optional<Details> details_;
  std::optional<RegisterSet> all_registers_;
  std::string_view assembly_;
  char buffer_[192];
};

}  // namespace punster
