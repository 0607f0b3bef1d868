// Programs that we start, and how they ended.

#pragma once

#include <spawn.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace punster {

/// Where the program is looked for.
enum class Lookup { path_only, like_a_shell };

/// Starts words[0] with these arguments, in a process group of its own (Ctrl-C on a terminal
/// reaches us alone, and we end it in order). It begins like any other program: no signal is
/// blocked or ignored, and it has no descriptors but its first three. `files` says what those are,
/// is completed and destroyed. `variables`, as NAME=VALUE, are added to our environment for it.
/// Returns 0 or an errno value.
[[nodiscard]] int spawn(const std::vector<std::string>& words, Lookup lookup,
                        posix_spawn_file_actions_t& files, pid_t& child,
                        const std::vector<std::string>& variables = {});

/// A status of waitpid() in words: "exit status 1", "killed by signal 9 (Killed)".
[[nodiscard]] std::string in_words(int status);

}  // namespace punster
