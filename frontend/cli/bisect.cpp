// punster bisect: which site makes the program misbehave?

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "frontend/cli/check_run.h"
#include "frontend/cli/client.h"
#include "frontend/cli/culprits.h"
#include "frontend/cli/failure.h"
#include "frontend/cli/interruption.h"
#include "frontend/cli/progress_bar.h"
#include "frontend/cli/site_printer.h"
#include "protocol/shared_counters.h"

namespace punster {
namespace {

/// A directory of our own for the files that the check is asked about. Removed at the end.
class Workshop {
 public:
  static Result<std::unique_ptr<Workshop>> open(const std::string& input) {
    const char* parent = std::getenv("TMPDIR");
    std::string name = std::string(parent && *parent ? parent : "/tmp") + "/punster-bisect-XXXXXX";
    if (mkdtemp(name.data()) == nullptr)
      return error("unwritable", name + ": no directory can be made there (set TMPDIR)");
    return std::unique_ptr<Workshop>(
        new Workshop(name, name + "/" + std::filesystem::path(input).filename().string()));
  }
  ~Workshop() { remove(); }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  /// May be called from any thread, and again.
  void remove() const {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  /// Named like the input: some programs look at their name.
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] std::string counters() const { return file_ + ".counts"; }

 private:
  Workshop(std::string directory, std::string file)
      : directory_(std::move(directory)), file_(std::move(file)) {}
  std::string directory_, file_;
};

class Bisection {
 public:
  Bisection(const BisectOptions& options, const Workshop& workshop, Interruption& interruption)
      : options_(options),
        workshop_(workshop),
        interruption_(interruption),
        check_(options.check, options.timeout, !options.verbose) {
    interruption_.on_interrupt([this] { check_.kill(); });
  }

  Result<int> run() {
    PUNSTER_TRY(const Subject subject,
                Subject::load(options_.input, options_.evidence, options_.jobs, bar_.sink()));
    PUNSTER_TRY(const auto groups, compile(options_.groups, subject.image, options_.intel_syntax));
    PUNSTER_TRY(const Selection all, select(groups, subject, options_.jobs));
    bar_.clear();
    if (all.sites.empty()) {
      return nothing_matched(options_.groups, subject);
    }
    PUNSTER_TRY(const auto culprits,
                find_culprits(all.sites.size(), [&](const std::vector<std::size_t>& set) {
                  return misbehaves(subject, all, set);
                }));
    if (culprits.empty())
      return error("no_culprit", "the check passes with all " + grouped(all.sites.size()) +
                                     " sites patched: there is nothing to find");
    print(subject, all, culprits);
    return exit_status::done;
  }

 private:
  Result<bool> misbehaves(const Subject& subject, const Selection& all,
                          const std::vector<std::size_t>& set) {
    PUNSTER_TRY(write(subject, all, set));
    PUNSTER_TRY(const auto outcome, check_.ask(workshop_.file()));
    bar_.clear();
    std::fprintf(stderr, "run %u: %s of %s sites patched: %s\n", ++runs_,
                 grouped(set.size()).c_str(), grouped(all.sites.size()).c_str(),
                 outcome.description.c_str());
    return !outcome.good;
  }

  Result<void> write(const Subject& subject, const Selection& all,
                     const std::vector<std::size_t>& set) {
    std::error_code failure;
    std::filesystem::remove(workshop_.file(), failure);
    if (set.empty()) {
      const Uninterrupted step;
      std::filesystem::copy_file(options_.input, workshop_.file(), failure);
      if (failure) return error("unwritable", workshop_.file() + ": " + failure.message());
      return success();
    }
    Selection part{all.treatments, {}};
    part.sites.reserve(set.size());
    for (const auto k : set) part.sites.push_back(all.sites[k]);
    const auto counted = part.counted();
    const std::string counters = counted.empty() ? "" : workshop_.counters();
    PUNSTER_TRY(Client client, Client::start(options_.backend, [this](const Progress& p) {
                  bar_.show(p.phase, p.done, p.total);
                }));
    interruption_.on_interrupt([process = client.process()] { process->kill(); });
    PUNSTER_TRY(client.send_subject(subject, options_request(options_.backend, options_.jobs)));
    PUNSTER_TRY(client.send_sites(subject, part, counters, options_.intel_syntax));
    PUNSTER_TRY(client.emit(workshop_.file()));
    if (!counted.empty()) {
      const Uninterrupted step;
      std::filesystem::remove(counters, failure);
      PUNSTER_TRY(SharedCounters::create(counters, counted));
    }
    return success();
  }

  void print(const Subject& subject, const Selection& all,
             const std::vector<std::size_t>& culprits) const {
    SitePrinter printer(options_.format, subject.image, options_.intel_syntax);
    for (const auto k : culprits) printer.print(all.sites[k].insn);
    printer.end();
  }

  const BisectOptions& options_;
  const Workshop& workshop_;
  Interruption& interruption_;
  CheckRun check_;
  ProgressBar bar_;
  unsigned runs_ = 0;
};

Result<int> bisect(const BisectOptions& options) {
  PUNSTER_TRY(const auto workshop, Workshop::open(options.input));
  Interruption interruption;
  interruption.on_interrupt([&] {
    workshop->remove();
    print_failure(error("interrupted", options.input + ": interrupted by a signal"));
  });
  const auto status = Bisection(options, *workshop, interruption).run();
  interruption.disarm();
  return status;
}

}  // namespace

int run_bisect(const BisectOptions& options) {
  const Result<int> status = bisect(options);
  return status.has_error() ? fail(status.error()) : finish_stdout(status.value());
}

}  // namespace punster
