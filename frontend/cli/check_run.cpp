#include "frontend/cli/check_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "frontend/cli/child_process.h"

namespace punster {
namespace {

std::string with_file(std::string word, const std::string& file) {
  for (std::size_t at = 0; (at = word.find("{}", at)) != std::string::npos; at += file.size())
    word.replace(at, 2, file);
  return word;
}

/// Our standard output is for the result: what is shown of the check goes to standard error.
int start(const std::vector<std::string>& words, bool quiet, pid_t& child) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (quiet) posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  return spawn(words, Lookup::like_a_shell, files, child);
}

/// Whether the child has ended within the time. Not reaped.
bool ended_within(pid_t child, double seconds) {
  const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  if (descriptor < 0) return false;
  pollfd wait{descriptor, POLLIN, 0};
  int ready = 0;
  do ready = poll(&wait, 1, static_cast<int>(seconds * 1000));
  while (ready < 0 && errno == EINTR);
  close(descriptor);
  return ready > 0;
}

}  // namespace

Result<CheckOutcome> CheckRun::ask(const std::string& file) {
  std::vector<std::string> words;
  for (const auto& word : words_) words.push_back(with_file(word, file));
  pid_t child = 0;
  if (const int failure = start(words, quiet_, child))
    return error("no_check", words.front() + ": cannot be run: " + strerror(failure));
  running_ = child;
  const bool in_time = ended_within(child, timeout_);
  ::kill(-child, SIGKILL);  // not reaped yet, so the number is still its own
  running_ = 0;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) return CheckOutcome{false, "not finished in time"};
  return CheckOutcome{WIFEXITED(status) && WEXITSTATUS(status) == 0, in_words(status)};
}

void CheckRun::kill() const {
  if (const pid_t child = running_; child > 0) ::kill(-child, SIGKILL);
}

}  // namespace punster
