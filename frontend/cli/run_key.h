// What a rewritten file depends on, as text to be hashed: the same text, the same bytes.

#pragma once

#include <string>

#include "frontend/cli/run_cache.h"

namespace punster {

/// Of everything but the file itself: both programs of ours, matches, actions, options, and the
/// contents of files that they name. Errors: "no_backend", "unreadable".
Result<std::string> key_of_options(const PatchOptions& options, RunCache& cache);

/// `text` with the hash of a file behind it. Error "unreadable".
Result<std::string> with_contents(std::string text, const std::string& path, RunCache& cache);

}  // namespace punster
