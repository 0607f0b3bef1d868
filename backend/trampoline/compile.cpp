// From JSON to elements. Bytes, strings and integers of known value melt into runs of literal
// bytes; what depends on the site or the body's address stays an element of its own.

#include "backend/trampoline/compile.h"

#include <limits>

#include "protocol/hex.h"

namespace punster {
namespace {

using nlohmann::json;

// A JSON pointer that is only spelled out when somebody asks, which is when something is wrong.
struct Place {
  const Place* parent;
  const std::string* text;  // root and object members
  std::size_t index;        // array elements, when text is null

  [[nodiscard]] std::string pointer() const {
    if (!parent) return *text;
    std::string pointer = parent->pointer() + '/';
    if (!text) return pointer + std::to_string(index);
    for (const char c : *text) {
      if (c == '~')
        pointer += "~0";
      else if (c == '/')
        pointer += "~1";
      else
        pointer += c;
    }
    return pointer;
  }
};

Error bad(const Place& place, std::string message) {
  return error_in("bad_template", std::move(message), place.pointer());
}

}  // namespace

std::optional<std::uint64_t> template_number(const json& value) {
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (value.is_number_integer()) return static_cast<std::uint64_t>(value.get<std::int64_t>());
  if (value.is_string()) return parse_hex(value.get_ref<const std::string&>());
  return std::nullopt;
}

bool template_number_fits(std::uint64_t value, unsigned bytes) {
  if (bytes == 8) return true;
  const auto limit = std::uint64_t{1} << (8 * bytes);
  return value < limit || value >= 0 - limit / 2;  // as unsigned, or as sign-extended negative
}

class TemplateCompiler {
 public:
  explicit TemplateCompiler(Template& out, bool plain_text) : t_(out), plain_text_(plain_text) {}

  Result<void> element(const json& code, const Place& place, unsigned depth) {
    if (depth > Template::max_expansion) return bad(place, "arrays are nested too deeply");
    if (t_.bytes_.size() > Template::max_body || t_.elements_.size() > Template::max_body)
      return bad(place, "the template is larger than 65,536 bytes");
    switch (code.type()) {
      case json::value_t::null:
        return success();
      case json::value_t::array:
        for (std::size_t i = 0; i < code.size(); ++i)
          PUNSTER_TRY(element(code[i], Place{&place, nullptr, i}, depth + 1));
        return success();
      case json::value_t::number_integer:
      case json::value_t::number_unsigned:
        return byte(code, place);
      case json::value_t::string:
        return word(code.get_ref<const std::string&>(), place);
      case json::value_t::object:
        return typed(code, place);
      default:
        return bad(place,
                   "expected a byte, \"$macro\", \".Llabel\", {\"type\": value} or an array");
    }
  }

  void finish() {
    const auto& e = t_.elements_;
    t_.displaced_only_ =
        e.size() == 2 && e[0].op == Template::Op::instr && e[1].op == Template::Op::jump_next;
  }

 private:
  using Op = Template::Op;

  Result<void> byte(const json& code, const Place& place) {
    const auto value = template_number(code);
    if (!value || *value > 0xff) return bad(place, "a byte must lie in 0..255");
    literal(*value, 1);
    return success();
  }

  Result<void> word(const std::string& text, const Place& place) {
    if (text.starts_with('$')) {
      if (text == "$instr")
        add(Op::instr, 0, place);
      else if (text == "$bytes")
        add(Op::bytes, 0, place);
      else if (text == "$break" || text == "$BREAK")
        add(Op::jump_next, 5, place);
      else if (text == "$take")
        add(Op::jump_taken, 5, place);
      else if (text.size() == 1)
        return bad(place, "a macro needs a name behind the $");
      else
        name(Op::macro, 0, text, place);
      return success();
    }
    if (text.starts_with(".L")) {
      if (text == ".Lbreak" || text == ".Ltake" || text == ".Linstr" || text == ".Lconfig")
        return bad(place, text + " is built in and cannot be defined");
      name(Op::label, 0, text, place);
      return success();
    }
    if (const auto value = parse_hex(text); value && *value <= 0xff) {
      literal(*value, 1);
      return success();
    }
    if (!plain_text_)
      return bad(place, "\"" + text + "\" is neither a macro ($name) nor a label (.Lname)");
    for (const char c : text) literal(static_cast<std::uint8_t>(c), 1);
    return success();
  }

  Result<void> typed(const json& code, const Place& outer) {
    if (code.size() != 1)
      return bad(outer, "expected an object with one member, {\"type\": value}");
    const auto member = code.begin();
    const auto& type = member.key();
    const Place place{&outer, &type, 0};
    const auto& value = *member;
    if (type == "int8") return integer(value, 1, place);
    if (type == "int16") return integer(value, 2, place);
    if (type == "int32") return integer(value, 4, place);
    if (type == "int64") return integer(value, 8, place);
    if (type == "rel8") return relative(value, 1, place);
    if (type == "rel32") return relative(value, 4, place);
    if (type != "string")
      return bad(place, "unknown type; expected int8, int16, int32, int64, rel8, rel32 or string");
    if (!value.is_string()) return bad(place, "expected a string");
    for (const char c : value.get_ref<const std::string&>())
      literal(static_cast<std::uint8_t>(c), 1);
    return success();
  }

  Result<void> integer(const json& value, unsigned bytes, const Place& place) {
    if (const auto number = template_number(value)) {
      if (!template_number_fits(*number, bytes))
        return bad(place, "the value does not fit into " + std::to_string(bytes) + " bytes");
      literal(*number, bytes);
      return success();
    }
    if (!value.is_string() || !value.get_ref<const std::string&>().starts_with('$'))
      return bad(place, "expected a number, \"0x..\" or \"$macro\"");
    name(Op::named_int, bytes, value.get_ref<const std::string&>(), place);
    return success();
  }

  Result<void> relative(const json& value, unsigned bytes, const Place& place) {
    if (const auto address = template_number(value)) {
      add(Op::rel_address, bytes, place).value = *address;
      return success();
    }
    if (!value.is_string()) return bad(place, "expected \".Llabel\", an address or \"$macro\"");
    const auto& text = value.get_ref<const std::string&>();
    if (text.starts_with('$'))
      name(Op::rel_macro, bytes, text, place);
    else if (text.starts_with(".L"))
      name(Op::rel_label, bytes, text, place);
    else
      return bad(place, "expected \".Llabel\", an address or \"$macro\"");
    return success();
  }

  void literal(std::uint64_t value, unsigned bytes) {
    if (t_.elements_.empty() || t_.elements_.back().op != Op::literal) {
      const auto start = static_cast<std::uint32_t>(t_.bytes_.size());
      t_.elements_.push_back({Op::literal, 0, start, 0});
      t_.places_.emplace_back();
    }
    t_.elements_.back().value += bytes;
    for (unsigned i = 0; i < bytes; ++i)
      t_.bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }

  Template::Element& add(Op op, unsigned size, const Place& place) {
    t_.places_.push_back(place.pointer());
    return t_.elements_.emplace_back(Template::Element{op, static_cast<std::uint8_t>(size), 0, 0});
  }

  void name(Op op, unsigned size, const std::string& text, const Place& place) {
    auto& element = add(op, size, place);
    element.index = static_cast<std::uint32_t>(t_.names_.size());
    t_.names_.push_back(text);
  }

  Template& t_;
  const bool plain_text_;
};

Result<Template> compile_template(const json& code, const std::string& where, bool plain_text) {
  Template compiled;
  TemplateCompiler compiler(compiled, plain_text);
  PUNSTER_TRY(compiler.element(code, Place{nullptr, &where, 0}, 0));
  compiler.finish();
  return compiled;
}

Result<Template> Template::compile(const json& code, const std::string& where) {
  return compile_template(code, where, false);
}

}  // namespace punster
