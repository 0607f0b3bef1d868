// Trampoline templates: E9Patch's template language, compiled once and instantiated per site.
//
// A template is a JSON array of elements: a byte (0..255), {"int8|int16|int32|int64": v},
// {"rel8|rel32": ".Llabel" or address}, {"string": "text"}, a nested array, null, a label
// definition ".Lname", or a macro "$name". Built in: $instr (the displaced instruction, relocated),
// $bytes (its original bytes), $break and $BREAK (jump to the next instruction), $take (jump to the
// branch's target), and the labels .Lbreak .Ltake .Linstr .Lconfig. Every other macro is looked up
// in the site's MacroScope: first its metadata (more template language), then trampolines of that
// name. Wherever a number stands, a string "0x.." may stand; in {"intN": ..} and {"relN": ..} also
// the name of a macro whose metadata is a number, which is the cheapest way to give each site its
// own value.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/relocate/relocation.h"
#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

class Template;

/// What macro names mean at one site. Answers must be the same in measure() and encode().
class MacroScope {
 public:
  virtual ~MacroScope() = default;
  /// The site's metadata of that name ("$" included) in the template language, or null.
  [[nodiscard]] virtual const nlohmann::json* metadata(std::string_view name) const = 0;
  /// The trampoline of that name, or null. Asked when there is no metadata.
  [[nodiscard]] virtual const Template* trampoline(std::string_view name) const = 0;
};

/// A site, as a template needs to see it.
struct TemplateSite {
  Vaddr address;                        ///< of the instruction, link-time
  std::span<const std::uint8_t> bytes;  ///< from there on; at least the instruction
  unsigned length = 0;                  ///< of the instruction
  bool fixed_address = false;           ///< see Relocation::plan
  const MacroScope* macros = nullptr;   ///< null: no macros but the built-in ones
  Vaddr config;                         ///< .Lconfig
  /// The instruction's relocation when the caller has it already; null: planned when needed.
  /// Precondition: planned as `retarget_call` says.
  const Relocation* relocation = nullptr;
  /// The site's call is retargeted if it can be: $instr is then CallForm::retargeted, and the body is
  /// entered with the return address on the stack.
  bool retarget_call = false;
  std::optional<Vaddr> syscall_gate;  ///< see Relocation::plan
  /// Leave out the final $break: the body that continues is laid out right behind this one. Without
  /// effect on bodies whose BodyShape::final_break is 0.
  bool omit_final_break = false;
  /// Where $break leads instead of the next instruction: straight to its body. The label .Lbreak keeps
  /// its meaning, since a payload may show the address to the program.
  std::optional<Vaddr> next;
  /// Where $take and the taken side of $instr lead instead of the original target. Likewise without
  /// effect on .Ltake.
  std::optional<Vaddr> taken;
};

/// The site's instruction, displaced. Errors: those of Relocation::plan.
Result<Relocation> plan_instruction(const TemplateSite& site);

/// What a template becomes at one site, known before any address is.
struct BodyShape {
  unsigned size = 0;  ///< exact bytes that encode() writes, omit_final_break taken into account
  /// Bytes of the final $break, if it can be left out (TemplateSite::omit_final_break), else 0. It
  /// is 0 also when the break is dead and left out anyway, behind an $instr that never falls
  /// through.
  unsigned final_break = 0;
  bool runs_instruction = false;  ///< contains $instr or $bytes: the original still takes place
  /// Contains $instr, and the body's room is enough for ["$instr", "$break"], with or without its final
  /// break: should the site remain unpatched, the displaced instruction alone can stand there.
  bool fits_displaced = false;
  bool emulates_call = false;     ///< contains an $instr that is a call, done as push and jump
  /// Contains an $instr that is a retargeted call: the body must be entered by that call, and only by it.
  bool retargets_call = false;
  /// The last element is a jump out (or an $instr that never falls through): whatever stands behind
  /// the body is not run into. False for templates that end with data, which is not known to be
  /// reached.
  bool ends_closed = false;
};

/// Immutable once compiled; shared by all threads.
class Template {
 public:
  /// `where` is the JSON pointer of `code`; errors (kind "bad_template") name the element by it.
  /// `code` is an array, or a single element.
  static Result<Template> compile(const nlohmann::json& code, const std::string& where);

  /// The shape at `site`, independent of the address of the body. Errors: "bad_template" (unknown
  /// macro, recursion, doubly defined label, size over the cap), "cannot_relocate".
  [[nodiscard]] Result<BodyShape> measure(const TemplateSite& site) const;

  /// Writes the body as it runs at `at`. Precondition: `out.size()` is measure()'s size for the
  /// same site. Errors: those of measure, and "out_of_range" when a displacement does not fit.
  Result<void> encode(const TemplateSite& site, Vaddr at, std::span<std::uint8_t> out) const;

  /// Exactly ["$instr", "$break"]: the displaced instruction and nothing else.
  [[nodiscard]] bool is_displaced_only() const { return displaced_only_; }

  /// The bytes of a template without a place: data (E9Patch's `reserve`). Built-in macros and
  /// references to .Lbreak and the like are errors here. `at` resolves rel8/rel32.
  static Result<std::vector<std::uint8_t>> encode_data(const nlohmann::json& code,
                                                       const std::string& where, Vaddr at);

  /// A body larger than this is refused: it would never be a trampoline, but a runaway macro.
  static constexpr unsigned max_body = 64 * 1024;
  /// Macros within macros deeper than this are taken for recursion.
  static constexpr unsigned max_expansion = 32;

  enum class Op : std::uint8_t {
    literal,      ///< bytes_[index, index + value)
    number,       ///< size bytes of `value`
    named_int,    ///< size bytes: the number that macro names_[index] stands for
    rel_label,    ///< displacement of `size` bytes to label names_[index]
    rel_address,  ///< displacement to address `value`
    rel_macro,    ///< displacement to the address that macro names_[index] stands for
    label,        ///< defines names_[index] here
    macro,        ///< expands names_[index]
    instr,
    bytes,
    jump_next,   ///< $break, $BREAK
    jump_taken,  ///< $take
  };
  struct Element {
    Op op{};
    std::uint8_t size = 0;
    std::uint32_t index = 0;
    std::uint64_t value = 0;
  };

 private:
  friend class TemplateCompiler;
  friend class TemplateExpansion;
  std::vector<Element> elements_;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::string> names_;
  std::vector<std::string> places_;  // JSON pointer of each element
  bool displaced_only_ = false;
};

}  // namespace punster
