// punster check: what would kernel and ld.so refuse?

#include <cstdio>

#include "frontend/cli/failure.h"
#include "frontend/cli/record_printer.h"
#include "frontend/cli/start_prediction.h"

namespace punster {
namespace {

Result<StartConditions> conditions_of(const CheckOptions& options) {
  auto conditions = StartConditions::of_this_machine();
  if (options.address_space_mebibytes)
    conditions.address_space = *options.address_space_mebibytes << 20;
  if (options.stack_kibibytes) conditions.stack = *options.stack_kibibytes << 10;
  if (options.kernel && std::sscanf(options.kernel->c_str(), "%u.%u", &conditions.kernel_major,
                                    &conditions.kernel_minor) != 2)
    return error("usage", "--kernel: '" + *options.kernel + "' is not a version such as 6.1");
  return conditions;
}

Result<int> check(const CheckOptions& options) {
  PUNSTER_TRY(const auto conditions, conditions_of(options));
  RecordPrinter printer(
      options.format,
      {{"file", 24}, {"check", 16}, {"verdict", 8}, {"value", 18}, {"limit", 12}, {"reason"}});
  bool refused = false;
  for (const auto& file : options.files) {
    PUNSTER_TRY(const auto predictions, predict_start(file, conditions));
    for (const auto& p : predictions) {
      printer.record({file, p.what, to_string(p.verdict), p.value, p.limit, p.text});
      refused = refused || p.verdict == Prediction::Verdict::refused;
    }
  }
  printer.end();
  return finish_stdout(refused ? exit_status::failed : exit_status::done);
}

}  // namespace

int run_check(const CheckOptions& options) {
  const Result<int> status = check(options);
  return status.has_error() ? fail(status.error()) : status.value();
}

}  // namespace punster
