// punster verify: hands both files to the prover in frontend/verify and prints its verdict.

#include <cstdio>

#include "frontend/cli/failure.h"
#include "frontend/cli/progress_bar.h"
#include "frontend/cli/proving.h"
#include "frontend/cli/record_printer.h"
#include "protocol/hex.h"

namespace punster {

namespace {

Result<VerifyReport> prove(const VerifyOptions& options) {
  ProgressBar bar;
  PUNSTER_TRY(const Subject subject,
              Subject::load(options.original, options.evidence, options.jobs, bar.sink()));
  bar.clear();
  VerifyRequest request;
  request.original = options.original;
  request.patched = options.patched;
  if (options.sites) request.sites = *options.sites;
  request.jobs = options.jobs;
  return prove(subject, std::move(request), options.evidence.doubt != EvidenceOptions::Doubt::skip);
}

void print_text(const VerifyOptions& options, const VerifyReport& report) {
  std::printf("%s: %s: %s of %s sites proven\n", options.patched.c_str(),
              report.ok() ? "proven" : "NOT PROVEN", grouped(report.proven).c_str(),
              grouped(report.sites).c_str());
  const Json all = figures(report);
  for (const auto& [name, value] : all.items())
    if (name != "sites" && name != "proven")
      std::printf("  %-16s %12s\n", name.c_str(), grouped(value.get<std::uint64_t>()).c_str());
  for (const auto& [kind, count] : report.failures_by_kind)
    std::printf("  fault: %-20s %s\n", kind.c_str(), grouped(count).c_str());
  for (const VerifyFailure& failure : report.failures)
    std::printf("  %s: %s: %s\n",
                failure.address == Vaddr{} ? "file" : to_hex(failure.address).c_str(),
                failure.kind.c_str(), failure.message.c_str());
}

void print_json_report(const VerifyOptions& options, const VerifyReport& report) {
  Json json = figures(report);
  json["original"] = options.original;
  json["patched"] = options.patched;
  json["verdict"] = report.ok() ? "proven" : "not proven";
  json["failures_by_kind"] = report.failures_by_kind;
  json["listed"] = listed_failures(report);
  print_json(json);
}

void print_csv(const VerifyReport& report) {
  RecordPrinter printer(Format::csv, {{"field"}, {"value"}});
  printer.record({"verdict", report.ok() ? "proven" : "not proven"});
  const Json all = figures(report);
  for (const auto& [name, value] : all.items()) printer.record({name, value});
  for (const auto& [kind, count] : report.failures_by_kind)
    printer.record({"failures." + kind, count});
  printer.end();
}

/// The failure in one line, for those who read only stderr.
void print_verdict(const VerifyOptions& options, const VerifyReport& report) {
  const std::string first = report.failures.empty() ? "" : report.failures.front().message;
  std::fprintf(stderr, "punster: %s: not proven: %s%s%s\n", options.patched.c_str(), first.c_str(),
               report.failure_count > 1 ? ", and more: " : "",
               report.failure_count > 1 ? grouped(report.failure_count - 1).c_str() : "");
}

}  // namespace

int run_verify(const VerifyOptions& options) {
  const auto report = prove(options);
  if (report.has_error()) return fail(report.error());
  if (options.format == Format::text) print_text(options, report.value());
  if (options.format == Format::json) print_json_report(options, report.value());
  if (options.format == Format::csv) print_csv(report.value());
  if (!report.value().ok()) print_verdict(options, report.value());
  return finish_stdout(report.value().ok() ? exit_status::done : exit_status::failed);
}

}  // namespace punster
