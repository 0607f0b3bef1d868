#include "frontend/cli/child_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

namespace punster {
namespace {

/// As exec wants it: not longer than `words` lives unchanged.
std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (auto& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

int spawn(const std::vector<std::string>& words, Lookup lookup, posix_spawn_file_actions_t& files,
          pid_t& child, const std::vector<std::string>& variables) {
  std::vector<std::string> copies = words, surroundings = variables;
  for (char** variable = environ; *variable != nullptr; ++variable)
    surroundings.emplace_back(*variable);
  const auto arguments = pointers(copies), environment = pointers(surroundings);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  // We block the ending signals and ignore SIGPIPE.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  const auto start = lookup == Lookup::like_a_shell ? posix_spawnp : posix_spawn;
  const int failure =
      start(&child, arguments.front(), &files, &attributes, arguments.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return failure;
}

std::string in_words(int status) {
  if (WIFEXITED(status)) return "exit status " + std::to_string(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  return "killed by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
}

}  // namespace punster
