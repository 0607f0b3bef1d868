// The flags, and why:
//   -mgeneral-regs-only    vector registers need not be saved around the call (not with --vector)
//   -mpreferred-stack-boundary=3, -mstack-alignment=8
//                          trampolines do not align the stack: nothing needs it then. With
//                          --vector, vector_call.S does
//   -fPIE, -static-pie     it is mapped where there is room, and moves itself (support.c)
//   -ffreestanding, -nostdlib, -fno-stack-protector, -fno-exceptions, -fno-rtti,
//   -fno-threadsafe-statics
//                          what the language needs of a library that is not there
//   -z noseparate-code     constants and code together: one mapping less
// A user's flags come last and win.

#include "frontend/cli/hook_compiler.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>

#include "frontend/cli/child_process.h"
#include "frontend/cli/file_draft.h"
#include "frontend/hook/hook_sources.h"

namespace punster {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool in_path(const std::string& program) {
  if (program.find('/') != std::string::npos) return ::access(program.c_str(), X_OK) == 0;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  return false;
}

/// $CC or $CXX if set, else the first that there is.
Result<std::string> find_compiler(bool cxx) {
  const char* variable = cxx ? "CXX" : "CC";
  if (const char* wanted = std::getenv(variable); wanted != nullptr && *wanted != '\0') {
    if (in_path(wanted)) return std::string(wanted);
    return error("no_compiler", std::string("$") + variable + ": no such program: " + wanted);
  }
  const std::array<const char*, 2> names =
      cxx ? std::array{"g++", "clang++"} : std::array{"gcc", "clang"};
  for (const char* name : names)
    if (in_path(name)) return std::string(name);
  return error("no_compiler", std::string("found neither ") + names[0] + " nor " + names[1] +
                                  " (on Debian: apt-get install " + names[0] + ")");
}

bool is_clang(const std::string& compiler) {
  return fs::path(compiler).filename().string().find("clang") != std::string::npos;
}

void append(Words& words, std::initializer_list<const char*> more) {
  words.insert(words.end(), more.begin(), more.end());
}

Words flags_for(const std::string& compiler, HookLanguage language, bool vector) {
  Words words = {compiler};
  if (language == HookLanguage::assembly) return words;
  append(words, {"-O2", "-fPIE", "-ffreestanding", "-fvisibility=hidden", "-fno-stack-protector",
                 "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"});
  if (language == HookLanguage::cxx)
    append(words, {"-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"});
  if (vector) return words;
  append(words, {"-mgeneral-regs-only",
                 is_clang(compiler) ? "-mstack-alignment=8" : "-mpreferred-stack-boundary=3"});
  return words;
}

/// Runs a compiler with its messages on our standard error, or in the file `messages`. The status
/// is waitpid's.
Result<int> run(const Words& words, const std::string& messages = "") {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  if (!messages.empty()) {
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, messages.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  }
  pid_t child = 0;
  const int failure = spawn(words, Lookup::like_a_shell, files, child, {"LC_ALL=C"});
  if (failure != 0) return error("no_compiler", words.front() + ": " + std::strerror(failure));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

/// The names that a linker missed, as `a`, `b`; and everything that it said.
std::string missed(const std::string& messages, std::string& all) {
  std::ifstream file(messages);
  std::stringstream content;
  content << file.rdbuf();
  all = content.str();
  static const std::regex pattern("undefined (?:reference to|symbol:) [`']?([^\\s`']+)");
  std::vector<std::string> names;
  for (std::sregex_iterator i(all.begin(), all.end(), pattern), end; i != end; ++i)
    if (std::find(names.begin(), names.end(), (*i)[1].str()) == names.end())
      names.push_back((*i)[1].str());
  std::string listed;
  for (std::size_t i = 0; i < names.size() && i < 5; ++i)
    listed += (i == 0 ? "`" : ", `") + names[i] + "`";
  return listed + (names.size() > 5 ? ", ..." : "");
}

struct Unit {
  std::string source;
  HookLanguage language;
  bool ours = false;
};

Result<std::string> compiled(const Unit& unit, const CcOptions& options, const fs::path& folder,
                             std::size_t number) {
  const bool cxx = unit.language == HookLanguage::cxx;
  PUNSTER_TRY(const auto compiler, find_compiler(cxx));
  Words words = flags_for(compiler, unit.language, options.vector && !unit.ours);
  const std::string object = (folder / (std::to_string(number) + ".o")).string();
  append(words, {"-isystem"});
  words.push_back(folder.string());
  if (unit.ours && !is_clang(compiler)) append(words, {"-fno-tree-loop-distribute-patterns"});
  if (!unit.ours) words.insert(words.end(), options.flags.begin(), options.flags.end());
  append(words, {"-c"});
  words.push_back(unit.source);
  append(words, {"-o"});
  words.push_back(object);
  PUNSTER_TRY(const int status, run(words));
  if (status != 0)
    return error("compile_failed",
                 unit.source + ": " + compiler + ": " + in_words(status) + "; nothing was written");
  return object;
}

}  // namespace

HookLanguage language_of(const std::string& source) {
  const std::string suffix = fs::path(source).extension().string();
  if (suffix == ".c") return HookLanguage::c;
  for (const char* name : {".cpp", ".cc", ".cxx", ".C", ".c++"})
    if (suffix == name) return HookLanguage::cxx;
  return suffix == ".S" || suffix == ".s" ? HookLanguage::assembly : HookLanguage::unknown;
}

Result<void> compile_hook(const CcOptions& options, const fs::path& folder,
                          const std::string& output) {
  PUNSTER_TRY(make_folder((folder / "punster").string()));
  PUNSTER_TRY(write_file((folder / "punster/hook.h").string(), hook_header));
  std::vector<Unit> units;
  for (const auto& source : options.sources) units.push_back({source, language_of(source)});
  const auto add_ours = [&](const char* name, std::string_view text,
                            HookLanguage language) -> Result<void> {
    units.push_back({(folder / name).string(), language, true});
    return write_file(units.back().source, text);
  };
  PUNSTER_TRY(add_ours("support.c", hook_support, HookLanguage::c));
  if (options.vector) {
    PUNSTER_TRY(add_ours("vector_call.S", hook_vector_call, HookLanguage::assembly));
  }
  PUNSTER_TRY(const auto linker, find_compiler(false));
  Words words = {linker, "-nostdlib", "-static-pie"};
  for (const Unit& unit : units) {
    PUNSTER_TRY(const auto object, compiled(unit, options, folder, words.size()));
    words.push_back(object);
  }
  append(words, {"-lgcc", "-Wl,-z,noseparate-code,-z,norelro,-z,noexecstack,-z,text",
                 "-Wl,-z,max-page-size=4096,--build-id=none,-e,0", "-o"});
  words.push_back(output);
  const std::string messages = (folder / "messages").string();
  PUNSTER_TRY(const int status, run(words, messages));
  if (status == 0) return success();
  std::string all;
  const std::string names = missed(messages, all);
  if (!names.empty())
    return error("undefined", options.sources.front() + ": nobody defines " + names +
                                  ": hooks have no libc, only what punster/hook.h declares");
  return error("compile_failed", options.sources.front() + ": the linker failed: " +
                                     all.substr(0, all.find('\n')) + "; nothing was written");
}

}  // namespace punster
