// What a run of `punster patch` did, as --stats writes it and the closing table shows it.

#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "frontend/cli/options.h"
#include "frontend/cli/selection.h"
#include "protocol/messages.h"

namespace punster {

/// Filled while the run goes on; whatever is known by its end, or by its untimely end, is written.
struct RunReport {
  std::string status = "failed";  // ok, partial, refused, failed, interrupted
  std::optional<Error> error;
  std::vector<std::string> argv;
  std::string input, output;
  std::string input_sha256, input_build_id, kind;
  std::uint64_t input_bytes = 0;
  std::uint64_t instructions = 0;
  std::uint64_t text_bytes = 0, code_bytes = 0, data_bytes = 0, padding_bytes = 0, doubt_bytes = 0;
  std::string trap_with = "ud2";
  std::string counters;  // "" when nothing counts
  Statistics backend;
  double seconds_analyse = 0, seconds_transfer = 0, seconds_total = 0;

  void describe(const Subject& subject);
};

/// "refused" for what cannot be done with this input or request, "failed" for what went wrong on the way.
[[nodiscard]] std::string status_for(const Error& error);

/// All fields that `--stats` promises. Whatever was not reached is 0 or null.
[[nodiscard]] Json to_json(const RunReport& report);

/// Writes the JSON to `path`. Errors: "unwritable", "disk_full".
Result<void> write_statistics(const RunReport& report, const std::string& path);

/// The closing table on stdout: for people, or as one JSON object, or as CSV lines "field,value".
void print_report(const RunReport& report, Format format);

}  // namespace punster
