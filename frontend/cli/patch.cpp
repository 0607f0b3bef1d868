// punster patch: from a command line to a rewritten file, and a report whatever happens.

#include <chrono>
#include <cstdio>
#include <mutex>

#include "frontend/cli/client.h"
#include "frontend/cli/failure.h"
#include "frontend/cli/file_draft.h"
#include "frontend/cli/interruption.h"
#include "frontend/cli/output_guard.h"
#include "frontend/cli/patch_run.h"
#include "frontend/cli/progress_bar.h"
#include "frontend/cli/record_printer.h"
#include "frontend/cli/run_report.h"
#include "frontend/cli/site_records.h"
#include "frontend/cli/whole_program.h"
#include "protocol/shared_counters.h"

namespace punster {

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One run. Until keep() is through, everything it makes is a draft beside its place, so that an
/// end at any moment leaves nothing behind.
class PatchRun {
 public:
  /// `among`: the interruption of a larger work that this run is a part of, and says what there is
  /// to be said about it.
  PatchRun(const PatchOptions& options, Interruption* among)
      : options_(options),
        silent_(among != nullptr),
        own_(among == nullptr ? std::make_unique<Interruption>() : nullptr),
        interruption_(among == nullptr ? *own_ : *among),
        clean_ups_before_(interruption_.count()) {
    report_.argv = options.argv;
    report_.trap_with = options.backend.trap_with.value_or(report_.trap_with);
    report_.input = options.input;
    report_.output = options.output;
    stats_wanted_ = options.stats && statistics_are_safe(options);
    interruption_.on_interrupt([this] { interrupted(); });
  }

  ~PatchRun() { not_to_be_interrupted(); }
  PatchRun(const PatchRun&) = delete;
  PatchRun& operator=(const PatchRun&) = delete;
  [[nodiscard]] const RunReport& report() const { return report_; }

  int run() {
    const Result<void> outcome = rewrite();
    not_to_be_interrupted();
    bar_.clear();
    report_.seconds_total = since(start_);
    if (outcome.has_error()) {
      remove_all_drafts();
      report_.status = status_for(outcome.error());
      report_.error = outcome.error();
      report_.backend.output_bytes = 0;
      if (!silent_) print_failure(outcome.error());
    }
    return finish(outcome.has_error() ? status_of(outcome.error()) : exit_status::done);
  }

 private:
  /// What is done cannot be undone: a signal changes nothing any more, or only the larger work.
  void not_to_be_interrupted() {
    interruption_.forget_since(clean_ups_before_);
    if (own_) own_->disarm();
  }

  // The whole way, top to bottom.
  Result<void> rewrite() {
    PUNSTER_TRY(check_outputs(options_));
    PUNSTER_TRY(const Subject subject, load());
    PUNSTER_TRY(const auto groups, compile(options_.groups, subject.image, options_.intel_syntax));
    PUNSTER_TRY(const Selection selection, select(groups, subject, options_.jobs));
    // From here on it is settled what is to be done; nothing was started or written.
    if (selection.sites.empty() && !raises_only()) return without_sites(subject);

    const std::vector<Vaddr> counted = selection.counted();
    name_counters(!counted.empty());
    const auto transfer_start = Clock::now();
    PUNSTER_TRY(Client client, Client::start(options_.backend, [this](const Progress& p) {
                  bar_.show(p.phase, p.done, p.total);
                }));
    interruption_.on_interrupt([process = client.process()] { process->kill(); });
    PUNSTER_TRY(client.send_subject(subject, options_request(options_.backend, options_.jobs)));
    PUNSTER_TRY(client.send_sites(subject, selection, report_.counters, options_.intel_syntax));
    report_.seconds_transfer = since(transfer_start);

    // From here on the backend knows everything.
    PUNSTER_TRY(auto statistics, emitted(client));
    set_statistics(std::move(statistics));
    PUNSTER_TRY(write_sites(client, subject, selection));
    if (!counted.empty()) {
      const Uninterrupted step;
      PUNSTER_TRY(SharedCounters::create(draft_name(report_.counters), counted));
    }
    // From here on nothing can fail but the renaming of drafts.
    PUNSTER_TRY(keep());
    report_.status = report_.backend.failed != 0 ? "partial" : "ok";
    return success();
  }

  Result<Subject> load() {
    PUNSTER_TRY(auto subject,
                Subject::load(options_.input, options_.evidence, options_.jobs, bar_.sink()));
    const std::lock_guard lock(report_mutex_);
    report_.describe(subject);
    return subject;
  }

  /// Nothing to patch, but the file shall be raised all the same.
  [[nodiscard]] bool raises_only() const {
    return options_.allow_no_sites && options_.backend.raise == "always";
  }

  Result<void> without_sites(const Subject& subject) {
    const Error nothing = nothing_matched(options_.groups, subject);
    if (!options_.allow_no_sites) return nothing;
    PUNSTER_TRY(copy_unchanged(options_.input, options_.output));
    std::fprintf(stderr, "punster: %s; %s is an unchanged copy\n", nothing.message.c_str(),
                 options_.output.c_str());
    if (options_.sites) {
      PUNSTER_TRY(write_file(*options_.sites, ""));
    }
    report_.backend.output_bytes = report_.input_bytes;
    report_.status = "ok";
    return success();
  }

  void name_counters(bool any) {
    if (!any) return;
    const std::lock_guard lock(report_mutex_);
    report_.counters = absolute_path(options_.counters.value_or(options_.output + ".counts"));
  }

  /// The backend writes to the draft's name; its messages shall name the file the user named.
  Result<Statistics> emitted(Client& client) {
    const std::string draft = absolute_path(draft_name(options_.output));
    auto result = client.emit(draft);
    if (result.has_value()) return result;
    Error failure = std::move(result).error();
    if (const auto at = failure.message.find(draft); at != std::string::npos)
      failure.message.replace(at, draft.size(), options_.output);
    return failure;
  }

  void set_statistics(Statistics statistics) {
    const std::lock_guard lock(report_mutex_);
    report_.backend = std::move(statistics);
  }

  Result<void> write_sites(Client& client, const Subject& subject, const Selection& selection) {
    if (!options_.sites) return success();
    PUNSTER_TRY(auto writer, SiteRecordWriter::open(*options_.sites, subject, selection));
    PUNSTER_TRY(client.results([&](const ResultsReply& page) { writer.write(page); }));
    return writer.keep();
  }

  Result<void> keep() {
    not_to_be_interrupted();
    if (!report_.counters.empty()) {
      PUNSTER_TRY(keep_draft(report_.counters));
    }
    return keep_draft(options_.output);
  }

  void remove_all_drafts() const {
    remove_drafts(options_.output);
    if (!report_.counters.empty()) remove_drafts(report_.counters);
    if (options_.sites) remove_drafts(*options_.sites);
  }

  /// Runs on the watching thread, after the backend was killed.
  void interrupted() {
    bar_.clear();
    const std::lock_guard lock(report_mutex_);
    remove_all_drafts();
    report_.status = "interrupted";
    report_.error =
        error("interrupted", options_.input + ": interrupted by a signal; nothing was written");
    if (!silent_) print_failure(*report_.error);
    report_.seconds_total = since(start_);
    if (stats_wanted_) (void)write_statistics(report_, *options_.stats);
  }

  int finish(int status) {
    const Statistics& s = report_.backend;
    const bool done = report_.status == "ok" || report_.status == "partial";
    const bool short_of = s.failed != 0 || (!options_.backend.traps && s.trapped != 0);
    if (done && options_.strict && short_of) {
      if (!silent_)
        std::fprintf(stderr, "punster: %s: %s of %s sites not patched (--strict)\n",
                     options_.output.c_str(), grouped(s.sites - s.patched).c_str(),
                     grouped(s.sites).c_str());
      status = exit_status::strict;
    }
    if (stats_wanted_) {
      if (const auto written = write_statistics(report_, *options_.stats); written.has_error()) {
        print_failure(written.error());
        if (status == exit_status::done) status = exit_status::failed;
      }
    }
    if (silent_) return status;
    if (done && !options_.quiet) print_report(report_, options_.format);
    return finish_stdout(status);
  }

  const PatchOptions& options_;
  const bool silent_;
  const Clock::time_point start_ = Clock::now();
  RunReport report_;
  std::mutex report_mutex_;  // for what the watching thread reads when it ends the run
  ProgressBar bar_;
  bool stats_wanted_ = false;
  // Last: its thread ends before what it uses.
  const std::unique_ptr<Interruption> own_;
  Interruption& interruption_;
  const std::size_t clean_ups_before_;
};

}  // namespace

PatchOutcome patch_one(const PatchOptions& options, Interruption& among) {
  PatchRun run(options, &among);
  const int status = run.run();
  return {status, run.report()};
}

int run_patch(const PatchOptions& options) {
  return options.with_libraries ? patch_program(options) : PatchRun(options, nullptr).run();
}

}  // namespace punster
