// punster sites: what an expression matches.

#include "frontend/cli/failure.h"
#include "frontend/cli/progress_bar.h"
#include "frontend/cli/record_printer.h"
#include "frontend/cli/selection.h"
#include "protocol/hex.h"

namespace punster {

namespace {

void print_sites(const SitesOptions& options, const Subject& subject, const Selection& selection) {
  const Syntax syntax = options.intel_syntax ? Syntax::intel : Syntax::att;
  RecordPrinter printer(options.format, {{"address", 10},
                                         {"offset", 10},
                                         {"size", -4},
                                         {"bytes", 20},
                                         {"section", 8},
                                         {"symbol", 28},
                                         {"asm"}});
  const Image& image = subject.image;
  for (const Site& site : selection.sites) {
    const Vaddr address = site.insn.address();
    const auto bytes = image.bytes_at(address, Bytes{site.insn.length()});
    const auto offset = image.to_offset(address);
    const Section* section = image.section_at(address);
    const std::string symbol = image.describe(address);
    printer.record({to_hex(address), offset ? Json(to_hex(*offset)) : Json(), site.insn.length(),
                    to_hex(bytes), section != nullptr ? Json(section->name) : Json(),
                    symbol.empty() ? Json() : Json(symbol), assembly(bytes, address, syntax)});
  }
  printer.end();
}

Result<int> list(const SitesOptions& options) {
  ProgressBar bar;
  AnalysisOptions analysis;
  analysis.jobs = options.jobs;
  analysis.progress = [&](std::uint64_t done, std::uint64_t total) {
    bar.show("analyse", done, total);
  };
  PUNSTER_TRY(const Subject subject, Subject::load(options.input, options.evidence, analysis));
  PUNSTER_TRY(const auto groups, compile({{options.matches, {}}}, subject.image,
                                         options.intel_syntax));
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
