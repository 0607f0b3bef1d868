// gcc or clang, found and driven so that a hook file comes out.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "frontend/cli/options.h"
#include "protocol/result.h"

namespace punster {

/// What language a source is in follows from its name.
enum class HookLanguage : std::uint8_t { c, cxx, assembly, unknown };
[[nodiscard]] HookLanguage language_of(const std::string& source);

/// Compiles and links `options.sources` into `output`, with intermediate files in `folder`. The
/// compiler's own messages go to our standard error. Errors, one line each: "no_compiler",
/// "compile_failed", "undefined" (with the names).
Result<void> compile_hook(const CcOptions& options, const std::filesystem::path& folder,
                          const std::string& output);

}  // namespace punster
