// From argv to a subcommand's options. command_line.cpp, with option_parts.h, and
// shared_options.cpp are the only files that include CLI11, and the first is where its exceptions
// end.

#pragma once

#include <string>
#include <variant>
#include <vector>

#include "frontend/cli/options.h"

namespace punster {

/// The command line asked for no work (--help, --version) or was wrong: what is left to do is
/// printed already, and this is the status to exit with.
struct NothingToRun {
  int status = 0;
};

using Command =
    std::variant<NothingToRun, PatchOptions, RunOptions, BisectOptions, SitesOptions,
                 ExplainOptions, AnalyzeOptions, ShowOptions, VerifyOptions, CheckOptions,
                 TopOptions, ExportOptions, CalibrateOptions, CcOptions, ServeOptions>;

[[nodiscard]] Command parse_command_line(int argc, const char* const* argv);

/// One occurrence of -M or -P, in command-line order.
struct GroupWord {
  bool is_action = false;
  std::string text;
};

/// An action closes the list of matches before it; the next match after an action opens a new
/// group. `words` that begin with an action get a group that matches everything. Matches without an
/// action behind them are returned as a last group without actions.
[[nodiscard]] std::vector<ActionGroup> group_words(const std::vector<GroupWord>& words);

}  // namespace punster
