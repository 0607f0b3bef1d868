// The closing table of `punster patch`. A figure of coverage says of what: of the sites that were asked
// for, and beside it of all known instructions, with the bytes that are in doubt; traps stand apart.

#include <cstdio>

#include "frontend/cli/record_printer.h"
#include "frontend/cli/run_report.h"
#include "protocol/hex.h"

namespace punster {

namespace {

void row(const char* name, const std::string& text) {
  std::printf("  %-12s %s\n", name, text.c_str());
}

std::string listed(const std::map<std::string, std::uint64_t>& figures) {
  std::string text;
  for (const auto& [name, count] : figures)
    if (count != 0) text += (text.empty() ? "" : ", ") + name + " " + grouped(count);
  return text;
}

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

void print_text(const RunReport& report) {
  const Statistics& s = report.backend;
  std::printf("%s -> %s (%s)\n", report.input.c_str(), report.output.c_str(), report.kind.c_str());
  row("sites", grouped(s.sites) + " of " + grouped(report.instructions) + " instructions; " +
                   grouped(report.doubt_bytes) + " of " + grouped(report.text_bytes) +
                   " bytes of code in doubt");
  row("patched", grouped(s.patched) + ": " + percent(s.patched, s.sites) + " of the sites, " +
                     percent(s.patched, report.instructions) + " of the instructions");
  if (s.trapped != 0) row("trapped", grouped(s.trapped) + ": " + percent(s.trapped, s.sites));
  if (s.failed != 0) row("failed", grouped(s.failed) + ": " + percent(s.failed, s.sites));
  if (const auto tactics = listed(s.by_tactic); !tactics.empty()) row("tactics", tactics);
  if (const auto means = listed(s.by_means); !means.empty()) row("means", means);
  row("mappings", grouped(s.mappings) + "; " + grouped(s.virtual_pages) + " pages in " +
                      grouped(s.physical_pages) + " pages of the file");
  if (!s.layout_reason.empty()) row("layout", s.layout + ": " + s.layout_reason);
  if (s.raised_by != 0) row("raised by", to_hex(Vaddr{s.raised_by}));
  if (!s.not_raised.empty()) row("not raised", s.not_raised);
  row("bytes", grouped(report.input_bytes) + " -> " + grouped(s.output_bytes));
  if (!report.counters.empty()) row("counters", report.counters);
  row("seconds", seconds(report.seconds_total) + ": analyse " + seconds(report.seconds_analyse) +
                     ", transfer " + seconds(report.seconds_transfer) + ", solve " +
                     seconds(s.seconds_solve) + ", place " + seconds(s.seconds_place) +
                     ", share " + seconds(s.seconds_share) + ", emit " + seconds(s.seconds_emit));
}

/// "seconds.total" and the like.
void flatten(const Json& json, const std::string& name, RecordPrinter& printer) {
  if (!json.is_object()) return printer.record({name, json});
  for (const auto& [key, value] : json.items())
    flatten(value, name.empty() ? key : name + "." + key, printer);
}

}  // namespace

void print_report(const RunReport& report, Format format) {
  if (format == Format::text) return print_text(report);
  if (format == Format::json) return print_json(to_json(report));
  RecordPrinter printer(Format::csv, {{"field"}, {"value"}});
  flatten(to_json(report), "", printer);
  printer.end();
}

}  // namespace punster
