#include "frontend/match/attributes.h"

#include <algorithm>
#include <array>
#include <vector>

namespace punster {
namespace {

constexpr AttributeName attributes[] = {
    {"jmp", Attribute::jmp, is::condition},
    {"jcc", Attribute::jcc, is::condition},
    {"call", Attribute::call, is::condition},
    {"ret", Attribute::ret, is::condition},
    {"syscall", Attribute::syscall, is::condition},
    {"x87", Attribute::x87, is::condition},
    {"mmx", Attribute::mmx, is::condition},
    {"sse", Attribute::sse, is::condition},
    {"avx", Attribute::avx, is::condition},
    {"avx2", Attribute::avx2, is::condition},
    {"avx512", Attribute::avx512, is::condition},
    {"asm", Attribute::assembly, is::text},
    {"mnemonic", Attribute::mnemonic, is::text},
    {"section", Attribute::section, is::text},
    {"symbol", Attribute::symbol, is::text},
    {"file", Attribute::file, is::text},
    {"absname", Attribute::absname, is::text},
    {"basename", Attribute::basename, is::text},
    {"dirname", Attribute::dirname, is::text},
    {"line", Attribute::line, is::number},
    {"addr", Attribute::addr, is::number},
    {"offset", Attribute::offset, is::number},
    {"size", Attribute::size, is::number},
    {"random", Attribute::random, is::number},
    {"target", Attribute::target, is::number},
    {"rex", Attribute::rex, is::number},
    {"modrm", Attribute::modrm, is::number},
    {"sib", Attribute::sib, is::number},
    {"disp8", Attribute::disp8, is::number},
    {"disp32", Attribute::disp32, is::number},
    {"imm8", Attribute::imm8, is::number},
    {"imm32", Attribute::imm32, is::number},
    {"regs", Attribute::regs, is::register_set},
    {"reads", Attribute::reads, is::register_set},
    {"writes", Attribute::writes, is::register_set},
};

constexpr std::array<std::string_view, 6> families = {"op", "src", "dst", "reg", "mem", "imm"};

constexpr FieldName fields[] = {
    {"type", Field::type, is::operand_type},   {"access", Field::access, is::operand_access},
    {"size", Field::size, is::number},         {"base", Field::base, is::reg},
    {"index", Field::index, is::reg},          {"scale", Field::scale, is::number},
    {"disp", Field::displacement, is::number}, {"displacement", Field::displacement, is::number},
    {"seg", Field::segment, is::reg},          {"segment", Field::segment, is::reg},
};

constexpr ExtentFieldName extent_fields[] = {
    {"addr", ExtentField::addr, is::number},      {"offset", ExtentField::offset, is::number},
    {"entry", ExtentField::entry, is::condition}, {"exit", ExtentField::exit, is::condition},
    {"best", ExtentField::best, is::condition},   {"size", ExtentField::size, is::number},
    {"len", ExtentField::len, is::number},        {"name", ExtentField::name, is::text},
};

}  // namespace

const ExtentFieldName* extent_field_named(ExtentKind kind, std::string_view name) {
  const auto absent = kind == ExtentKind::block ? ExtentField::name : ExtentField::exit;
  const auto found =
      std::find_if(std::begin(extent_fields), std::end(extent_fields),
                   [&](const auto& f) { return f.name == name && f.field != absent; });
  return found == std::end(extent_fields) ? nullptr : found;
}

const AttributeName* attribute_named(std::string_view name) {
  const auto found = std::find_if(std::begin(attributes), std::end(attributes),
                                  [&](const auto& a) { return a.name == name; });
  return found == std::end(attributes) ? nullptr : found;
}

std::optional<Family> family_named(std::string_view name) {
  const auto found = std::find(families.begin(), families.end(), name);
  if (found == families.end()) return std::nullopt;
  return static_cast<Family>(found - families.begin());
}

std::string_view to_string(Family family) {
  return families[static_cast<unsigned>(family)];
}

const FieldName* field_named(std::string_view name) {
  const auto found = std::find_if(std::begin(fields), std::end(fields),
                                  [&](const auto& f) { return f.name == name; });
  return found == std::end(fields) ? nullptr : found;
}

std::span<const std::string_view> all_words() {
  static const auto words = [] {
    std::vector<std::string_view> all = {"true", "false", "not", "defined", "bytes",
                                         "I",    "BB",    "F",   "nil"};
    for (const auto& a : attributes) all.push_back(a.name);
    all.insert(all.end(), families.begin(), families.end());
    return all;
  }();
  return words;
}

std::span<const std::string_view> all_fields() {
  static const auto words = [] {
    std::vector<std::string_view> all;
    for (const auto& f : fields) all.push_back(f.name);
    return all;
  }();
  return words;
}

std::span<const std::string_view> all_extent_fields() {
  static const auto words = [] {
    std::vector<std::string_view> all;
    for (const auto& f : extent_fields) all.push_back(f.name);
    return all;
  }();
  return words;
}

std::string describe(Types types) {
  static constexpr const char* names[] = {"a condition",    "a number",          "text",
                                          "a register",     "a memory operand",  "an operand type",
                                          "an access type", "a set of registers"};
  std::string all;
  for (unsigned bit = 0; bit < std::size(names); ++bit)
    if (types & (1u << bit)) all += (all.empty() ? "" : " or ") + std::string(names[bit]);
  return all;
}

}  // namespace punster
