// punster cc: a hook's sources become a file that `-P 'f(...)@FILE'` takes.

#include <filesystem>

#include "frontend/cli/failure.h"
#include "frontend/cli/file_draft.h"
#include "frontend/cli/hook_compiler.h"
#include "frontend/cli/interruption.h"
#include "frontend/cli/output_guard.h"
#include "frontend/hook/hook_file.h"

namespace punster {
namespace {

namespace fs = std::filesystem;

Result<void> check_sources(const CcOptions& options) {
  for (const auto& source : options.sources) {
    if (language_of(source) == HookLanguage::unknown)
      return error("usage", source + ": is it C or C++? (names end in .c, .cpp, .cc, .cxx, or .S)");
    std::error_code failed;
    if (!fs::exists(source, failed)) return error("unreadable", source + ": no such file");
    if (same_file(source, options.output))
      return error("same_file", options.output + ": is the source (name another with -o)");
  }
  return success();
}

Result<void> make_hook(const CcOptions& options) {
  PUNSTER_TRY(check_sources(options));
  std::error_code failed;
  std::string name = (fs::temp_directory_path(failed) / "punster-cc-XXXXXX").string();
  if (failed || ::mkdtemp(name.data()) == nullptr)
    return error("unwritable", name + ": cannot make a folder there");
  const fs::path folder = name;
  Interruption interruption;
  const auto clean_up = [&] {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    remove_drafts(options.output);
  };
  interruption.on_interrupt(clean_up);
  const auto made = [&]() -> Result<void> {
    const std::string draft = draft_name(options.output);
    PUNSTER_TRY(compile_hook(options, folder, draft));
    // What links may yet be what nobody can load.
    PUNSTER_TRY(HookFile::open(draft, options.output));
    interruption.disarm();
    return keep_draft(options.output);
  };
  auto outcome = made();
  interruption.disarm();
  clean_up();
  return outcome;
}

}  // namespace

int run_cc(const CcOptions& options) {
  const auto made = make_hook(options);
  return made.has_error() ? fail(made.error()) : exit_status::done;
}

}  // namespace punster
