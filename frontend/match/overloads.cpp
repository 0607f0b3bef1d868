// Overloads of C++ functions, chosen as C++ would: by the worst conversion of each argument, exact
// types before wider ones. What is known of a function is what its symbol says, so typedefs are
// gone and class types are names.

#include <array>

#include "frontend/match/site_arguments.h"

namespace punster {
namespace {

constexpr unsigned impossible = 1000;

unsigned width_of(std::string_view type) {
  constexpr std::array<std::pair<std::string_view, unsigned>, 13> widths = {{
      {"bool", 1},
      {"char", 1},
      {"signed char", 1},
      {"unsigned char", 1},
      {"short", 2},
      {"unsigned short", 2},
      {"int", 4},
      {"unsigned int", 4},
      {"long", 8},
      {"unsigned long", 8},
      {"long long", 8},
      {"unsigned long long", 8},
      {"unsigned", 4},
  }};
  for (const auto& [name, width] : widths)
    if (type == name) return width;
  return 0;
}

unsigned width_of(const HookType& type) {
  switch (type.base) {
    case HookType::Base::i8:
      return 1;
    case HookType::Base::i16:
      return 2;
    case HookType::Base::i32:
      return 4;
    default:
      return 8;
  }
}

/// How far `argument` is from `parameter`; 0 is the same.
unsigned distance(const HookType& argument, std::string_view parameter) {
  if (to_string(argument) == parameter) return 0;
  const bool to_pointer = parameter.ends_with('*');
  if (argument.base == HookType::Base::null) return to_pointer ? 1 : impossible;
  if (!argument.pointer) {
    const unsigned wanted = width_of(parameter), given = width_of(argument);
    if (wanted == 0) return impossible;
    return wanted == given ? 1 : wanted > given ? 1 + wanted - given : 10 + given - wanted;
  }
  if (!to_pointer) return impossible;
  const bool constant = parameter.ends_with(" const*");
  if (argument.constant && !constant) return impossible;
  HookType same = argument;
  same.constant = constant;
  if (to_string(same) == parameter) return 1;
  if (parameter == "void*" || parameter == "void const*") return 2;
  // An untyped pointer (state, &xmm0) fits every other one.
  return argument.base == HookType::Base::nothing ? 3 : impossible;
}

unsigned distance(const std::vector<SiteArgument>& arguments,
                  const std::vector<std::string>& parameters) {
  if (arguments.size() != parameters.size()) return impossible;
  unsigned sum = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i)
    sum += distance(arguments[i].type, parameters[i]);
  return sum;
}

std::string call_text(const CallAction& call, const std::vector<SiteArgument>& arguments) {
  std::string text = call.function + "(";
  for (const auto& argument : arguments)
    text += (text.back() == '(' ? "" : ", ") + to_string(argument.type);
  return text + ")";
}

}  // namespace

Result<const HookFunction*> best_function(const CallAction& call,
                                          const std::vector<SiteArgument>& arguments) {
  const auto candidates = call.file->functions(call.function);
  const HookFunction* best = nullptr;
  unsigned least = impossible;
  bool unclear = false;
  for (const HookFunction* function : candidates) {
    const unsigned far = function->parameters ? distance(arguments, *function->parameters) : 500;
    if (far == least && far < impossible) unclear = true;
    if (far >= least) continue;
    best = function;
    least = far;
    unclear = false;
  }
  const std::string wanted = call_text(call, arguments) + " of " + call.file->path();
  if (best == nullptr) {
    std::string there;
    for (const HookFunction* function : candidates)
      there += (there.empty() ? "" : ", ") + function->described();
    return error("bad_action", "there is no " + wanted + "; there is " + there);
  }
  if (unclear && best->parameters)
    return error("bad_action", "it is not clear which " + wanted + " is meant: several fit");
  return best;
}

}  // namespace punster
