// punster sites: what an expression matches.

#include "frontend/cli/failure.h"
#include "frontend/cli/progress_bar.h"
#include "frontend/cli/selection.h"
#include "frontend/cli/site_printer.h"

namespace punster {

namespace {

void print_sites(const SitesOptions& options, const Subject& subject, const Selection& selection) {
  SitePrinter printer(options.format, subject.image, options.intel_syntax);
  for (const Site& site : selection.sites) printer.print(site.insn);
  printer.end();
}

Result<int> list(const SitesOptions& options) {
  ProgressBar bar;
  PUNSTER_TRY(const Subject subject,
              Subject::load(options.input, options.evidence, options.jobs, bar.sink()));
  PUNSTER_TRY(const auto groups,
              compile({{options.matches, {}}}, subject.image, options.intel_syntax));
  PUNSTER_TRY(const Selection selection, select(groups, subject, options.jobs));
  bar.clear();
  if (selection.sites.empty()) {
    const Error nothing = nothing_matched(options.matches, subject);
    if (!options.allow_no_sites) return nothing;
    print_failure(nothing);
  }
  print_sites(options, subject, selection);
  return exit_status::done;
}

}  // namespace

int run_sites(const SitesOptions& options) {
  const Result<int> status = list(options);
  return status.has_error() ? fail(status.error()) : finish_stdout(status.value());
}

}  // namespace punster
