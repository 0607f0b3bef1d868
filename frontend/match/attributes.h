// The names of the match language, and what each of them is.

#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "frontend/match/program.h"

namespace punster {

struct AttributeName {
  std::string_view name;
  Attribute attribute;
  Types type;
};
[[nodiscard]] const AttributeName* attribute_named(std::string_view name);
[[nodiscard]] std::optional<Family> family_named(std::string_view name);

struct FieldName {
  std::string_view name;
  Field field;
  Types type;
};
[[nodiscard]] const FieldName* field_named(std::string_view name);

struct ExtentFieldName {
  std::string_view name;
  ExtentField field;
  Types type;
};
/// Of BB and F; functions have no `exit`, blocks no `name`.
[[nodiscard]] const ExtentFieldName* extent_field_named(ExtentKind kind, std::string_view name);

/// For suggestions: every word that may begin an operand, registers apart; and every field.
[[nodiscard]] std::span<const std::string_view> all_words();
[[nodiscard]] std::span<const std::string_view> all_fields();
[[nodiscard]] std::span<const std::string_view> all_extent_fields();

/// "op", "mem", ...
[[nodiscard]] std::string_view to_string(Family family);

}  // namespace punster
