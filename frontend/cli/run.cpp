// punster run: a program started as if it had been rewritten, because by now it is.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "frontend/cli/failure.h"
#include "frontend/cli/file_draft.h"
#include "frontend/cli/loader_list.h"
#include "frontend/cli/output_guard.h"
#include "frontend/cli/patch_run.h"
#include "frontend/cli/run_cache.h"
#include "frontend/cli/run_key.h"
#include "frontend/cli/whole_program.h"
#include "protocol/sha256.h"

namespace punster {
namespace {

namespace fs = std::filesystem;

/// In an entry of a file that is not rewritten: why.
constexpr const char* reason_name = "reason";

class ProgramRun {
 public:
  ProgramRun(const RunOptions& options, RunCache cache)
      : options_(options), cache_(std::move(cache)) {}

  /// Returns only when the program could not be started.
  Result<int> run() {
    PUNSTER_TRY(const std::string input, find_program(options_.command.front()));
    PUNSTER_TRY(const auto dependencies, find_dependencies(input));
    if (dependencies.set_id)
      std::fprintf(stderr, "punster: %s: is set-user-ID; rewritten, it runs with your own rights\n",
                   input.c_str());
    PUNSTER_TRY(const std::string folder, rewritten(dependencies));
    cache_.shrink(options_.cache_mebibytes << 20);
    return start(folder, fs::path(dependencies.program).filename().string());
  }

 private:
  Result<std::string> rewritten(const Dependencies& dependencies) {
    PUNSTER_TRY(const std::string common, key_of_options(options_.patch, cache_));
    const auto& filter = options_.patch.with_libraries;
    PUNSTER_TRY(const Regex wanted, library_filter(filter.value_or("")));
    std::string all =
        common + (filter ? "with " + *filter : "alone") + "\n" + dependencies.program + "\n";
    PUNSTER_TRY(all, with_contents(all, dependencies.program, cache_));
    for (const auto& library : dependencies.libraries) {
      PUNSTER_TRY(all,
                  with_contents(all + library.name + " " + library.source, library.source, cache_));
    }
    PartProgress progress(dependencies, !options_.verbose);
    const MakePart make = [&](const std::string& source, const std::string& output,
                              bool is_program) {
      return make_part(common, source, output, is_program, progress);
    };
    Interruption interruption;
    interruption.on_interrupt([this] { cache_.remove_unfinished(); });
    interruption_ = &interruption;
    return cache_.entry(
        "programs", sha256_hex(all), [&](const std::string& folder) -> Result<void> {
          PUNSTER_TRY(
              const ProgramFolder made,
              fill_folder(
                  dependencies, folder,
                  [&](const std::string& name) { return filter && wanted.matches(name); }, make));
          if (options_.verbose) describe(made);
          for (const auto& part : made.parts)
            if (part.rewritten || options_.patch.allow_no_sites) return success();
          return error("no_match",
                       dependencies.program + ": no instruction matches" +
                           (filter ? ", in its libraries neither" : " (--with-libraries?)"));
        });
  }

  Result<ProgramPart> make_part(const std::string& common, const std::string& source,
                                const std::string& output, bool is_program,
                                PartProgress& progress) {
    const std::string name = fs::path(source).filename().string();
    progress.begin(source);
    PUNSTER_TRY(const std::string key, with_contents(common + name, source, cache_));
    PUNSTER_TRY(const std::string entry,
                cache_.entry("files", sha256_hex(key), [&](const std::string& folder) {
                  return rewrite(source, folder + "/" + name, folder + "/" + reason_name,
                                 is_program);
                }));
    ProgramPart part;
    std::error_code ignored;
    if (!fs::exists(entry + "/" + name, ignored)) {
      part.reason =
          "no instruction matches, or it cannot be rewritten (see punster patch " + source + ")";
      if (is_program) {
        PUNSTER_TRY(copy_unchanged(source, output));
      }
      return part;
    }
    part.rewritten = true;
    PUNSTER_TRY(make_hard_link(entry + "/" + name, output));
    return part;
  }

  Result<void> rewrite(const std::string& source, const std::string& output,
                       const std::string& reason, bool is_program) {
    if (!options_.verbose && ::isatty(STDERR_FILENO) == 1)
      std::fprintf(stderr, "punster: rewriting %s\n", source.c_str());
    const auto [status, report] =
        patch_one(options_for_part(options_.patch, source, output), *interruption_);
    if (!report.error) return success();
    if (ends_everything(report, is_program)) return *report.error;
    return write_file(reason, report.error->message + "\n");
  }

  static void describe(const ProgramFolder& made) {
    for (const auto& part : made.parts)
      std::fprintf(stderr, "punster: %s: %s\n", part.name.c_str(),
                   part.rewritten ? "rewritten" : part.reason.c_str());
    for (const auto& path : made.by_path)
      std::fprintf(stderr, "punster: %s: original, opened by absolute path\n", path.c_str());
    for (const auto& text : made.elsewhere)
      std::fprintf(stderr, "punster: not covered, ld.so finds another file first: %s\n",
                   text.c_str());
  }

  /// The program keeps the name that it was called by: some look at it.
  [[nodiscard]] Result<int> start(const std::string& folder, const std::string& name) const {
    std::error_code failed;
    if (const std::string libraries = folder + "/" + library_folder;
        fs::exists(libraries, failed)) {
      ::setenv("LD_LIBRARY_PATH", library_path_with(libraries).c_str(), 1);
    }
    std::vector<std::string> words = options_.command;
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::fflush(nullptr);
    const std::string file = folder + "/" + name;
    ::execv(file.c_str(), arguments.data());
    return error("failed", file + ": " + std::strerror(errno));
  }

  const RunOptions& options_;
  RunCache cache_;
  Interruption* interruption_ = nullptr;  // while a program is being rewritten
};

Result<int> run(const RunOptions& options) {
  PUNSTER_TRY(auto cache, RunCache::open(options.cache));
  return ProgramRun(options, std::move(cache)).run();
}

}  // namespace

int run_run(const RunOptions& options) {
  const Result<int> status = run(options);
  return status.has_error() ? fail(status.error()) : status.value();
}

}  // namespace punster
