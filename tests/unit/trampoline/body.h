// A template at a site, as text: what the tests compare.

#pragma once

#include <map>
#include <string>

#include "backend/trampoline/template.h"

namespace punster::test {

/// Macros from two maps.
struct Scope : MacroScope {
  std::map<std::string, nlohmann::json, std::less<>> values;
  std::map<std::string, Template, std::less<>> templates;
  [[nodiscard]] const nlohmann::json* metadata(std::string_view name) const override {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const Template* trampoline(std::string_view name) const override {
    const auto found = templates.find(name);
    return found == templates.end() ? nullptr : &found->second;
  }
  void define(const std::string& name, const char* code) {
    templates.insert_or_assign(name,
                               Template::compile(nlohmann::json::parse(code), "/template").value());
  }
};

/// One instruction of a program linked at 0x401000, its body at 0x700000.
struct Site {
  std::vector<std::uint8_t> bytes;
  Scope scope;
  TemplateSite site;
  static constexpr Vaddr at{0x700000};

  explicit Site(std::vector<std::uint8_t> instruction);
  Site(const Site&) = delete;

  [[nodiscard]] Result<BodyShape> measure(const char* code) const;
  /// The body's bytes; the size that measure() told is checked on the way.
  [[nodiscard]] Result<std::vector<std::uint8_t>> encode(const char* code) const;
  /// "nop; jmp 0x401001": Intel syntax, or "error KIND WHERE".
  [[nodiscard]] std::string text(const char* code) const;
  /// "90e9..", or "error KIND WHERE".
  [[nodiscard]] std::string hex(const char* code) const;
};

}  // namespace punster::test
