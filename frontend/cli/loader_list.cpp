#include "frontend/cli/loader_list.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "frontend/cli/child_process.h"
#include "frontend/cli/output_guard.h"

namespace punster {
namespace {

/// Standard output of a command, whatever its status; nothing when it cannot be run or is killed.
std::optional<std::string> output_of(const std::vector<std::string>& words,
                                     const std::vector<std::string>& variables) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failure = spawn(words, Lookup::path_only, files, child, variables);
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  ssize_t got = 0;
  while (failure == 0 &&
         ((got = ::read(ends[0], buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR)))
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[0]);
  if (failure != 0) return {};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) return {};
  return text;
}

/// "\tlibz.so.1 => /lib/libz.so.1 (0x7f...)", "\tlibz.so.1 => not found", "\t/opt/libz.so
/// (0x7f...)".
std::optional<LoadedLibrary> library_of(std::string_view line) {
  if (!line.starts_with('\t')) return {};
  line.remove_prefix(1);
  LoadedLibrary library;
  const auto arrow = line.find(" => ");
  std::string_view path = line;
  if (arrow != std::string_view::npos) {
    library.name = line.substr(0, arrow);
    path = line.substr(arrow + 4);
    if (path.starts_with("not found")) return library;
  }
  path = path.substr(0, path.rfind(" (0x"));
  if (path.find('/') == std::string_view::npos) return {};  // the vdso, "statically linked"
  library.path = path;
  if (library.name.empty()) library.name = path;
  return library;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ":") + word;
  return text;
}

}  // namespace

std::string library_path_with(const std::string& folder) {
  const char* more = std::getenv("LD_LIBRARY_PATH");
  return folder + (more != nullptr && *more != '\0' ? ":" + std::string(more) : "");
}

Result<std::vector<LoadedLibrary>> ask_loader(const LoaderQuery& query) {
  std::vector<std::string> words{query.interpreter};
  if (query.first_look)
    words.insert(words.end(), {"--library-path", library_path_with(*query.first_look)});
  if (!query.also.empty()) words.insert(words.end(), {"--preload", joined(query.also)});
  std::vector<std::string> variables;
  if (std::filesystem::path(query.interpreter).filename().string().starts_with("ld-musl"))
    words.emplace_back("--list");
  else  // --list gives up when a library is not found
    variables.emplace_back("LD_TRACE_LOADED_OBJECTS=1");
  words.push_back(query.program);
  const auto text = output_of(words, variables);
  if (!text || !text->starts_with('\t'))
    return error("no_interpreter", query.program + ": its interpreter " + query.interpreter +
                                       " does not list libraries (try: " + query.interpreter +
                                       " --list " + query.program + ")");
  std::vector<LoadedLibrary> libraries;
  for (std::string_view rest = *text; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.empty()) break;  // behind it: what LD_VERBOSE asks for
    const auto library = library_of(line);
    if (library && !(library->path && same_file(*library->path, query.interpreter)))
      libraries.push_back(*library);
  }
  return libraries;
}

}  // namespace punster
