// A user's command as a question about a file: does the program still behave?

#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>
#include <vector>

#include "protocol/result.h"

namespace punster {

/// How a run of the check ended.
struct CheckOutcome {
  bool good = false;        ///< exit status 0 in time
  std::string description;  ///< "exit status 1", "killed by signal 11 (Segmentation fault)", ...
};

class CheckRun {
 public:
  /// `words`: the command; {} in them stands for the file. `quiet`: its output goes to /dev/null.
  CheckRun(std::vector<std::string> words, double timeout_seconds, bool quiet)
      : words_(std::move(words)), timeout_(timeout_seconds), quiet_(quiet) {}

  /// Runs the command in a process group of its own, which is killed as a whole at its end. Errors:
  /// "no_check" when it cannot be started.
  Result<CheckOutcome> ask(const std::string& file);

  /// Ends the command that runs, if one does. May be called from any thread.
  void kill() const;

 private:
  std::vector<std::string> words_;
  double timeout_;
  bool quiet_;
  std::atomic<pid_t> running_ = 0;
};

}  // namespace punster
