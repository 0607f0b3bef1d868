// Looked at before any work is done: would writing these files destroy something, or fail at the end?

#pragma once

#include "frontend/cli/options.h"
#include "protocol/result.h"

namespace punster {

/// Whether both name the same existing file, links of either kind followed.
[[nodiscard]] bool same_file(const std::string& a, const std::string& b);

/// Errors: "same_file" when an output is the input or another output; "unwritable" when OUTPUT cannot be
/// made where it is wanted.
Result<void> check_outputs(const PatchOptions& options);

/// Whether --stats names neither the input nor the output: then it is written on every outcome.
[[nodiscard]] bool statistics_are_safe(const PatchOptions& options);

/// As the rewritten program will open it, from wherever it is started.
[[nodiscard]] std::string absolute_path(const std::string& path);

/// Copies the input to `output`, mode included, completely or not at all.
Result<void> copy_unchanged(const std::string& input, const std::string& output);

}  // namespace punster
