// punster patch --with-libraries: a program and its libraries, rewritten into a folder.

#pragma once

#include "frontend/cli/options.h"
#include "frontend/cli/program_folder.h"
#include "frontend/match/regex.h"

namespace punster {

/// `options.output` is the folder. Returns the exit status.
int patch_program(const PatchOptions& options);

/// Which libraries --with-libraries asks for. Error "usage".
Result<Regex> library_filter(const std::string& expression);

/// Options for one file of the program. --stats, --sites and --counters name folders.
PatchOptions options_for_part(const PatchOptions& options, const std::string& source,
                              const std::string& output);

/// Whether the report says that nothing of its kind will work: a full disk, a backend that died, a
/// wrong expression. A file that merely cannot be rewritten is none of these.
[[nodiscard]] bool ends_everything(const RunReport& report, bool is_program);

/// One file on stderr, as it is begun.
class PartProgress {
 public:
  PartProgress(const Dependencies& dependencies, bool quiet);
  void begin(const std::string& source);

 private:
  std::size_t done_ = 0, most_;
  bool quiet_;
};

}  // namespace punster
