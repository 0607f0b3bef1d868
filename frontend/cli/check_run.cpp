#include "frontend/cli/check_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace punster {
namespace {

std::string with_file(std::string word, const std::string& file) {
  for (std::size_t at = 0; (at = word.find("{}", at)) != std::string::npos; at += file.size())
    word.replace(at, 2, file);
  return word;
}

/// The command, with our signal mask and handlers undone. Returns an errno value.
int spawn(std::vector<std::string>& words, bool quiet, pid_t& child) {
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (quiet) {
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  } else {  // our standard output is for the result
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  }
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  const int failure = posix_spawnp(&child, argv[0], &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return failure;
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

std::string end_of(int status) {
  if (WIFSIGNALED(status))
    return "killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")";
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Result<CheckOutcome> CheckRun::ask(const std::string& file) {
  std::vector<std::string> words;
  for (const auto& word : words_) words.push_back(with_file(word, file));
  pid_t child = 0;
  if (const int failure = spawn(words, quiet_, child))
    return error("no_check", words.front() + ": cannot be run: " + strerror(failure));
  running_ = child;
  const bool in_time = ended_within(child, timeout_);
  ::kill(-child, SIGKILL);  // not reaped yet, so the number is still its own
  running_ = 0;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) return CheckOutcome{false, "not finished in time"};
  return CheckOutcome{WIFEXITED(status) && WEXITSTATUS(status) == 0, end_of(status)};
}

void CheckRun::kill() const {
  if (const pid_t child = running_; child > 0) ::kill(-child, SIGKILL);
}

}  // namespace punster
