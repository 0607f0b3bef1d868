// punster: the program that people call. Each subcommand is a file of its own beside this one.

#include "frontend/cli/command_line.h"
#include "protocol/allocation.h"

namespace punster {

namespace {

struct Run {
  int operator()(const NothingToRun& nothing) const { return nothing.status; }
  int operator()(const PatchOptions& options) const { return run_patch(options); }
  int operator()(const RunOptions& options) const { return run_run(options); }
  int operator()(const BisectOptions& options) const { return run_bisect(options); }
  int operator()(const SitesOptions& options) const { return run_sites(options); }
  int operator()(const ExplainOptions& options) const { return run_explain(options); }
  int operator()(const AnalyzeOptions& options) const { return run_analyze(options); }
  int operator()(const ShowOptions& options) const { return run_show(options); }
  int operator()(const VerifyOptions& options) const { return run_verify(options); }
  int operator()(const CheckOptions& options) const { return run_check(options); }
  int operator()(const TopOptions& options) const { return run_top(options); }
  int operator()(const ExportOptions& options) const { return run_export(options); }
  int operator()(const CalibrateOptions& options) const { return run_calibrate(options); }
  int operator()(const CcOptions& options) const { return run_cc(options); }
  int operator()(const ServeOptions& options) const { return run_serve(options); }
};

}  // namespace

}  // namespace punster

int main(int argc, char** argv) {
  punster::return_freed_arrays();
  return std::visit(punster::Run{}, punster::parse_command_line(argc, argv));
}
