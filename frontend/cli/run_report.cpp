#include "frontend/cli/run_report.h"

#include <sys/resource.h>

#include "frontend/cli/file_draft.h"
#include "protocol/framing.h"
#include "protocol/hex.h"

namespace punster {

namespace {

/// Moves when a field changes its meaning or goes away; new fields do not move it.
constexpr int statistics_schema = 1;

std::uint64_t own_peak_rss() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json error_json(const std::optional<Error>& error) {
  if (!error) return nullptr;
  return {{"kind", error->kind},
          {"message", error->message},
          {"address", error->address ? Json(to_hex(*error->address)) : Json()}};
}

/// Files whose rewriting is refused because of what they or the requests are; all else is a failure.
constexpr const char* failure_kinds[] = {"backend_died", "no_backend", "version_mismatch", "disk_full",
                                         "unwritable",   "internal",   "io", "parse_error",
                                         "disconnected"};

}  // namespace

std::string status_for(const Error& error) {
  for (const char* kind : failure_kinds)
    if (error.kind == kind) return "failed";
  return "refused";
}

void RunReport::describe(const Subject& subject) {
  const Image& image = subject.image;
  const CodeMap& code = subject.code;
  input_sha256 = image.sha256();
  input_build_id = image.build_id();
  input_bytes = image.file().size();
  kind = to_string(image.kind());
  instructions = code.instructions.size();
  text_bytes = code.text.value;
  code_bytes = code.code.value;
  data_bytes = code.data.value;
  padding_bytes = code.padding.value;
  doubt_bytes = code.doubt.value;
  seconds_analyse = subject.seconds;
}

Json to_json(const RunReport& report) {
  const Statistics& backend = report.backend;
  Json json;
  json["schema"] = statistics_schema;
  json["status"] = report.status;
  json["error"] = error_json(report.error);
  json["tool"] = {{"name", "punster"}, {"version", PUNSTER_VERSION}};
  json["argv"] = report.argv;
  json["input"] = {{"path", report.input},
                   {"sha256", text_or_null(report.input_sha256)},
                   {"build_id", text_or_null(report.input_build_id)},
                   {"bytes", report.input_bytes}};
  json["output"] = {{"path", report.output}, {"bytes", backend.output_bytes}};
  json["kind"] = text_or_null(report.kind);
  json["layout"] = backend.layout;
  json["layout_reason"] = text_or_null(backend.layout_reason);
  json["raised_by"] = to_hex(Vaddr{backend.raised_by});
  json["not_raised"] = text_or_null(backend.not_raised);
  json["instructions"] = report.instructions;
  json["text_bytes"] = report.text_bytes;
  json["code_bytes"] = report.code_bytes;
  json["data_bytes"] = report.data_bytes;
  json["padding_bytes"] = report.padding_bytes;
  json["doubt_bytes"] = report.doubt_bytes;
  json["sites"] = backend.sites;
  json["patched"] = backend.patched;
  json["trapped"] = backend.trapped;
  json["failed"] = backend.failed;
  json["trap_with"] = report.trap_with;
  json["by_tactic"] = backend.by_tactic;
  json["by_means"] = backend.by_means;
  json["mappings"] = backend.mappings;
  json["virtual_pages"] = backend.virtual_pages;
  json["physical_pages"] = backend.physical_pages;
  json["unwind"] = to_json(backend.unwind);
  json["seconds"] = {{"analyse", report.seconds_analyse}, {"transfer", report.seconds_transfer},
                     {"solve", backend.seconds_solve},    {"place", backend.seconds_place},
                     {"share", backend.seconds_share},    {"emit", backend.seconds_emit},
                     {"total", report.seconds_total}};
  json["peak_rss_bytes"] = own_peak_rss() + backend.peak_rss_bytes;
  return json;
}

Result<void> write_statistics(const RunReport& report, const std::string& path) {
  return write_file(path,
                    to_json(report).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace punster
