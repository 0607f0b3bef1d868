#include "frontend/cli/whole_program.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "frontend/cli/failure.h"
#include "frontend/cli/file_draft.h"
#include "frontend/cli/output_guard.h"
#include "frontend/cli/patch_run.h"
#include "frontend/cli/record_printer.h"

namespace punster {
namespace {

namespace fs = std::filesystem;

constexpr const char* manifest = "punster.json";  // says that a folder is of our making

/// A folder that comes into being as a whole: made beside its place, renamed when it is complete.
class FolderDraft {
 public:
  explicit FolderDraft(const std::string& path)
      : path_(without_slash(path)), draft_(draft_name(path_)) {}
  ~FolderDraft() { remove(); }
  FolderDraft(const FolderDraft&) = delete;
  FolderDraft& operator=(const FolderDraft&) = delete;

  /// Errors: "unwritable"; "same_file": there is something that we did not make.
  Result<void> begin() const {
    std::error_code failed;
    const bool there = fs::exists(path_, failed);
    if (there && !fs::is_directory(path_, failed))
      return error("unwritable",
                   path_ + ": is a file (--with-libraries needs a folder for --output)");
    if (there && !fs::is_empty(path_, failed) && !fs::exists(fs::path(path_) / manifest, failed))
      return error("same_file", path_ +
                                    ": is not empty, and nothing that Punster wrote (choose "
                                    "another --output)");
    return make_folder(draft_);
  }
  Result<void> keep() const {
    if (::rename(draft_.c_str(), path_.c_str()) == 0) return success();  // not there, or empty
    if (::renameat2(AT_FDCWD, draft_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0)
      return success();  // what is the draft now goes with us
    return error("unwritable", path_ + ": " + std::strerror(errno));
  }
  void remove() const {
    std::error_code ignored;
    fs::remove_all(draft_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& draft() const { return draft_; }

 private:
  static std::string without_slash(const std::string& path) {
    const std::string plain = absolute_path(path);
    return plain.size() > 1 && plain.ends_with('/') ? plain.substr(0, plain.size() - 1) : plain;
  }
  std::string path_, draft_;
};

class WholeProgram {
 public:
  explicit WholeProgram(const PatchOptions& options) : options_(options), folder_(options.output) {
    interruption_.on_interrupt([this] {
      folder_.remove();
      print_failure(
          error("interrupted", options_.input + ": interrupted by a signal; nothing was written"));
    });
    if (counts() && !options_.counters) options_.counters = folder_.path() + ".counts";
  }

  Result<int> run() {
    PUNSTER_TRY(const Regex wanted, library_filter(*options_.with_libraries));
    PUNSTER_TRY(const auto dependencies, find_dependencies(options_.input));
    PUNSTER_TRY(folder_.begin());
    for (const auto& place : {options_.stats, options_.sites, options_.counters}) {
      if (place) {
        PUNSTER_TRY(make_folder(*place));
      }
    }
    PartProgress progress(dependencies, options_.quiet);
    PUNSTER_TRY(const ProgramFolder made,
                fill_folder(
                    dependencies, folder_.draft(),
                    [&](const std::string& name) { return wanted.matches(name); },
                    [&](const std::string& source, const std::string& output, bool is_program) {
                      progress.begin(source);
                      return make(source, output, is_program);
                    }));
    PUNSTER_TRY(check_that_some_matched(made));
    PUNSTER_TRY(link_by_name_of_input(made));
    PUNSTER_TRY(write_manifest(made));
    interruption_.disarm();
    PUNSTER_TRY(folder_.keep());
    if (!options_.quiet) print(made);
    return status_of(made);
  }

 private:
  Result<ProgramPart> make(const std::string& source, const std::string& output, bool is_program) {
    PatchOptions one = options_for_part(options_, source, output);
    const auto [status, report] = patch_one(one, interruption_);
    if (report.error && ends_everything(report, is_program)) return *report.error;
    if (is_program && report.error) {
      PUNSTER_TRY(copy_unchanged(source, output));
    }
    return part_of(report);
  }

  [[nodiscard]] bool counts() const {
    for (const auto& group : options_.groups)
      for (const auto& action : group.actions)
        if (action.starts_with("count")) return true;
    return false;
  }

  Result<void> check_that_some_matched(const ProgramFolder& made) const {
    if (options_.allow_no_sites) return success();
    for (const auto& part : made.parts)
      if (part.rewritten) return success();
    return error("no_match", options_.input +
                                 ": no instruction matches, neither in the program nor "
                                 "in its libraries (see `punster sites --help`)");
  }

  /// A program is called by the name that its user knows, which may be that of a link.
  Result<void> link_by_name_of_input(const ProgramFolder& made) const {
    const std::string name = fs::path(options_.input).filename().string();
    if (name == made.parts.front().name) return success();
    return make_link(made.parts.front().name, folder_.draft() + "/" + name);
  }

  [[nodiscard]] std::string line_that_runs_it(const ProgramFolder& made) const {
    const std::string program =
        (fs::path(folder_.path()) / fs::path(options_.input).filename()).string();
    if (!made.has_libraries) return program;
    return "LD_LIBRARY_PATH=" + folder_.path() + "/" + library_folder +
           "${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} " + program;
  }

  [[nodiscard]] Json description(const ProgramFolder& made) const {
    Json json = to_json(made);
    json["run"] = line_that_runs_it(made);
    json["argv"] = options_.argv;
    json["tool"] = {{"name", "punster"}, {"version", PUNSTER_VERSION}};
    return json;
  }

  Result<void> write_manifest(const ProgramFolder& made) const {
    return write_file(folder_.draft() + "/" + manifest,
                      description(made).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }

  void print(const ProgramFolder& made) const {
    if (options_.format == Format::json) return print_json(description(made));
    const bool text = options_.format == Format::text;
    if (text)
      std::printf("%s: %s and %zu libraries\n", folder_.path().c_str(),
                  made.parts.front().source.c_str(), made.parts.size() - 1);
    RecordPrinter printer(options_.format, {{"file", 28},
                                            {"sites", -12},
                                            {"patched", -12},
                                            {"trapped", -8},
                                            {"mappings", -9},
                                            {"remark"}});
    for (const auto& part : made.parts) {
      const std::string remark = part.rewritten ? part.source : "original: " + part.reason;
      printer.record({part.name, part.sites, part.patched, part.trapped, part.mappings, remark});
    }
    printer.end();
    if (!text) return;
    const auto list = [](const char* what, const std::vector<std::string>& names) {
      if (!names.empty()) std::printf("%s:\n", what);
      for (const auto& name : names) std::printf("  %s\n", name.c_str());
    };
    list("not found by ld.so", made.missing);
    list("rewritten, but ld.so takes another file first (a path inside the program, DT_RPATH)",
         made.elsewhere);
    list("originals stay in use, since these are opened by absolute path", made.by_path);
    std::printf(
        "What the program loads by paths that it makes up at run time (plugins, modules) stays "
        "original, too.\n");
    if (made.set_id)
      std::printf("%s is set-user-ID; the copy is not, and runs with the rights of who starts it\n",
                  options_.input.c_str());
    std::printf("run it:\n  %s\n", line_that_runs_it(made).c_str());
  }

  [[nodiscard]] int status_of(const ProgramFolder& made) const {
    bool all = true;
    for (const auto& part : made.parts)
      all =
          all && !part.refused && part.failed == 0 && (options_.backend.traps || part.trapped == 0);
    if (all || !options_.strict) return finish_stdout(exit_status::done);
    std::fprintf(stderr, "punster: %s: not every site of every file is patched (--strict)\n",
                 folder_.path().c_str());
    return finish_stdout(exit_status::strict);
  }

  PatchOptions options_;
  FolderDraft folder_;
  Interruption interruption_;  // last: its thread ends before what it uses
};

}  // namespace

Result<Regex> library_filter(const std::string& expression) {
  auto regex = Regex::compile(expression);
  if (regex.has_error())
    return error("usage", "--with-libraries=" + expression + ": " + regex.error().message);
  return regex;
}

PatchOptions options_for_part(const PatchOptions& options, const std::string& source,
                              const std::string& output) {
  PatchOptions one = options;
  one.input = source;
  one.output = output;
  one.with_libraries.reset();
  one.allow_no_sites = false;
  const std::string name = fs::path(output).filename().string();
  const auto in = [&](std::optional<std::string>& place, const char* ending) {
    if (place) place = *place + "/" + name + ending;
  };
  in(one.stats, ".json");
  in(one.sites, ".jsonl");
  in(one.counters, ".counts");
  return one;
}

bool ends_everything(const RunReport& report, bool is_program) {
  if (report.status == "failed" || report.status == "interrupted") return true;
  return is_program && report.error->kind != "no_match";
}

PartProgress::PartProgress(const Dependencies& dependencies, bool quiet)
    : most_(dependencies.libraries.size() + 1), quiet_(quiet) {}

void PartProgress::begin(const std::string& source) {
  ++done_;
  if (!quiet_) std::fprintf(stderr, "%zu of at most %zu: %s\n", done_, most_, source.c_str());
}

int patch_program(const PatchOptions& options) {
  const Result<int> status = WholeProgram(options).run();
  return status.has_error() ? fail(status.error()) : status.value();
}

}  // namespace punster
