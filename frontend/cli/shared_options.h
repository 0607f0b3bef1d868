// Options that several subcommands have, each group added by one function.

#pragma once

#include <optional>
#include <string>

#include "frontend/cli/options.h"

namespace CLI {
class App;
}

namespace punster {

/// A file that is a positional argument, or an option when `name` begins with a dash.
void add_file(CLI::App* command, const std::string& name, std::string& file, const char* text,
              bool required = true);
void add_optional(CLI::App* command, const std::string& name, std::optional<std::string>& value,
                  const std::string& placeholder, const char* text);
void add_format(CLI::App* command, Format& format);
void add_syntax(CLI::App* command, bool& intel);
/// Sets `jobs` to the default.
void add_jobs(CLI::App* command, unsigned& jobs);
void add_with_libraries(CLI::App* command, std::optional<std::string>& names);
/// What the user knows better than the analysis.
void add_evidence(CLI::App* command, EvidenceOptions& evidence);
void add_backend(CLI::App* command, BackendOptions& backend);

}  // namespace punster
