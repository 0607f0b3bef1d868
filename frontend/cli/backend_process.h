// The backend as a child process with a pipe in and a pipe out.

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "protocol/result.h"

namespace punster {

/// The backend program to run: `asked` (--backend) if given, else $PUNSTER_BACKEND, else
/// `punster-backend` in the directory of this program. Error "no_backend" when the first of these that
/// is there is no executable file, with the places looked at.
[[nodiscard]] Result<std::filesystem::path> find_backend(const std::optional<std::string>& asked);

class BackendProcess {
 public:
  /// Starts `program` in a process group of its own (Ctrl-C on a terminal reaches us alone, and we end
  /// it in order), with no descriptors but its three. Error "no_backend".
  static Result<BackendProcess> start(const std::filesystem::path& program);
  /// Kills the child if it still runs.
  ~BackendProcess();
  BackendProcess(BackendProcess&&) noexcept;

  [[nodiscard]] int requests() const;  ///< write end: its standard input
  [[nodiscard]] int replies() const;   ///< read end: its standard output

  /// Ends it at once and reaps it. May be called again, and from any thread.
  void kill();

  /// Closes its input, gives it a moment to end by itself, then kills it. How it ended, in words:
  /// "exit status 1", "killed by signal 9 (Killed)".
  std::string finish();

 private:
  struct Child;
  explicit BackendProcess(std::unique_ptr<Child> child);
  std::unique_ptr<Child> child_;
};

}  // namespace punster
