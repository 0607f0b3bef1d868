// punster analyze: what every byte of the executable sections is held to be, and why.

#include <algorithm>
#include <cstdio>
#include <map>

#include "frontend/cli/drawing.h"
#include "frontend/cli/failure.h"
#include "frontend/cli/file_draft.h"
#include "frontend/cli/progress_bar.h"
#include "frontend/cli/record_printer.h"
#include "frontend/cli/selection.h"
#include "protocol/hex.h"

namespace punster {

namespace {

using Json = nlohmann::json;

Json named(const std::string& name) {
  return name.empty() ? Json() : Json(name);
}

/// Bytes by class and evidence, as both are printed.
std::map<std::pair<std::string, std::string>, std::uint64_t> by_evidence(const CodeMap& code) {
  std::map<std::pair<std::string, std::string>, std::uint64_t> sums;
  for (const ClassRange& range : code.ranges)
    sums[{to_string(range.kind), range.evidence}] += range.range.size().value;
  return sums;
}

std::vector<Doubt> largest_first(const CodeMap& code, unsigned rows) {
  std::vector<Doubt> doubts = code.doubts;
  std::ranges::stable_sort(
      doubts, [](const Doubt& a, const Doubt& b) { return a.range.size() > b.range.size(); });
  if (rows != 0 && doubts.size() > rows) doubts.resize(rows);
  return doubts;
}

void print_doubts(const Subject& subject, unsigned rows) {
  const auto doubts = largest_first(subject.code, rows);
  if (doubts.empty()) return;
  std::printf("\n%s doubtful regions%s\n", grouped(subject.code.doubts.size()).c_str(),
              doubts.size() < subject.code.doubts.size() ? ", the largest" : "");
  for (const Doubt& doubt : doubts) {
    std::string why = describe(doubt.reason, doubt.at);
    if (doubt.reason == DoubtReason::unsupported) {
      char numbers[64];
      std::snprintf(numbers, sizeof numbers, " (%.0f bits, confidence %.2f)", doubt.bits,
                    doubt.confidence);
      why += numbers;
    }
    std::printf("  %12s %8s  %-28s %s\n", to_hex(doubt.range.lo).c_str(),
                grouped(doubt.range.size().value).c_str(),
                subject.image.describe(doubt.range.lo).c_str(), why.c_str());
  }
}

void print_text(const Subject& subject, unsigned rows) {
  const CodeMap& code = subject.code;
  std::printf("%s: %s, %s instructions in %s bytes of executable sections, analysed in %.2f s\n",
              subject.image.path().c_str(), to_string(subject.image.kind()),
              grouped(code.instructions.size()).c_str(), grouped(code.text.value).c_str(),
              subject.seconds);
  for (const auto& [kind, bytes] : {std::pair{ByteClass::code, code.code},
                                    {ByteClass::data, code.data},
                                    {ByteClass::padding, code.padding},
                                    {ByteClass::doubt, code.doubt}}) {
    std::printf("  %-8s %12s  %s\n", to_string(kind), grouped(bytes.value).c_str(),
                percent(bytes.value, code.text.value).c_str());
    for (const auto& [key, sum] : by_evidence(code))
      if (key.first == to_string(kind))
        std::printf("    %-28s %12s\n", key.second.c_str(), grouped(sum).c_str());
  }
  print_doubts(subject, rows);
}

Json range_json(const Subject& subject, const ClassRange& range) {
  const Section* section = subject.image.section_at(range.range.lo);
  return {{"address", to_hex(range.range.lo)},
          {"size", range.range.size().value},
          {"class", to_string(range.kind)},
          {"evidence", range.evidence},
          {"section", section != nullptr ? Json(section->name) : Json()},
          {"symbol", named(subject.image.describe(range.range.lo))}};
}

void print_everything(const Subject& subject) {
  const CodeMap& code = subject.code;
  Json json{{"input", subject.image.path().string()},
            {"kind", to_string(subject.image.kind())},
            {"build_id", named(subject.image.build_id())},
            {"instructions", code.instructions.size()},
            {"text_bytes", code.text.value},
            {"code_bytes", code.code.value},
            {"data_bytes", code.data.value},
            {"padding_bytes", code.padding.value},
            {"doubt_bytes", code.doubt.value},
            {"seconds", subject.seconds}};
  json["ranges"] = Json::array();
  auto doubt = code.doubts.begin();
  for (const ClassRange& range : code.ranges) {
    Json entry = range_json(subject, range);
    if (range.kind == ByteClass::doubt) {
      entry["reason"] = describe(doubt->reason, doubt->at);
      entry["bits"] = doubt->bits;
      entry["confidence"] = doubt->confidence;
      ++doubt;
    }
    json["ranges"].push_back(std::move(entry));
  }
  print_json(json);
}

void print_table(const Subject& subject) {
  RecordPrinter printer(Format::csv, {{"address"},
                                      {"size"},
                                      {"class"},
                                      {"evidence"},
                                      {"section"},
                                      {"symbol"},
                                      {"reason"},
                                      {"confidence"}});
  auto doubt = subject.code.doubts.begin();
  for (const ClassRange& range : subject.code.ranges) {
    const Json entry = range_json(subject, range);
    Json reason, confidence;
    if (range.kind == ByteClass::doubt) {
      reason = describe(doubt->reason, doubt->at);
      confidence = doubt->confidence;
      ++doubt;
    }
    printer.record({entry["address"], entry["size"], entry["class"], entry["evidence"],
                    entry["section"], entry["symbol"], reason, confidence});
  }
  printer.end();
}

/// One line per instruction: what --addresses takes.
Result<void> write_instructions(const Subject& subject, const std::string& path) {
  PUNSTER_TRY(auto file, FileDraft::open(path));
  file.write("address,size,evidence\n");
  auto range = subject.code.ranges.begin();
  for (const Insn& insn : subject.code.instructions) {
    while (range->range.hi <= insn.address()) ++range;
    file.write(to_hex(insn.address()) + "," + std::to_string(insn.length()) + "," +
               range->evidence + "\n");
  }
  return file.keep();
}

Result<void> write_drawing(const Subject& subject, const std::string& path) {
  return write_file(path, draw(subject, path.ends_with(".html")));
}

Result<int> report(const AnalyzeOptions& options) {
  ProgressBar bar;
  PUNSTER_TRY(const Subject subject,
              Subject::load(options.input, options.evidence, options.jobs, bar.sink()));
  bar.clear();
  if (options.instructions) {
    PUNSTER_TRY(write_instructions(subject, *options.instructions));
  }
  if (options.drawing) {
    PUNSTER_TRY(write_drawing(subject, *options.drawing));
  }
  switch (options.format) {
    case Format::text:
      print_text(subject, options.rows);
      break;
    case Format::json:
      print_everything(subject);
      break;
    case Format::csv:
      print_table(subject);
      break;
  }
  return exit_status::done;
}

}  // namespace

int run_analyze(const AnalyzeOptions& options) {
  const Result<int> status = report(options);
  return status.has_error() ? fail(status.error()) : finish_stdout(status.value());
}

}  // namespace punster
