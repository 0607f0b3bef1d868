// The parts of compilation that expansion needs again, for metadata.

#pragma once

#include "backend/trampoline/template.h"

namespace punster {

/// As Template::compile. `plain_text`: a string that is neither macro nor label stands for its own
/// bytes, as E9Patch's guide has it for metadata ("$asmStr": "jmp 0x406ac0\n").
Result<Template> compile_template(const nlohmann::json& code, const std::string& where,
                                  bool plain_text);

/// An integer or a string "0x..", "-0x..": negative values in two's complement.
std::optional<std::uint64_t> template_number(const nlohmann::json& value);

/// Whether `value` fits into that many bytes, read as unsigned or as signed.
bool template_number_fits(std::uint64_t value, unsigned bytes);

}  // namespace punster
