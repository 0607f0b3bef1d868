// punster explain: why an address got its tactic. Either asks the backend, after planning the whole
// rewriting without writing it, or looks up what an earlier run recorded.

#include <cstdio>
#include <map>

#include "frontend/cli/client.h"
#include "frontend/cli/failure.h"
#include "frontend/cli/interruption.h"
#include "frontend/cli/progress_bar.h"
#include "frontend/cli/record_printer.h"
#include "frontend/cli/site_records.h"
#include "protocol/hex.h"

namespace punster {

namespace {

std::string text_of(const Json& record, const char* field) {
  const auto found = record.find(field);
  return found == record.end() ? "" : cell_text(*found);
}

Json hex_list(const std::vector<Vaddr>& addresses) {
  Json list = Json::array();
  for (const Vaddr address : addresses) list.push_back(to_hex(address));
  return list;
}

/// The fields are those of the site file, so that both ways of asking print alike.
Json as_record(const Explanation& explanation, const Subject& subject, Syntax syntax) {
  Json record;
  const Vaddr address = explanation.address;
  record["address"] = to_hex(address);
  record["symbol"] = subject.image.describe(address);
  if (const Insn* insn = subject.code.find(address)) {
    const auto bytes = subject.image.bytes_at(address, Bytes{insn->length()});
    record["bytes"] = to_hex(bytes);
    record["asm"] = assembly(bytes, address, syntax);
  }
  record["result"] = explanation.result.empty() ? Json() : Json(explanation.result);
  record["tactic"] = explanation.tactic.empty() ? Json() : Json(explanation.tactic);
  record["jump_target"] = explanation.jump_target ? Json(to_hex(*explanation.jump_target)) : Json();
  record["trampoline"] = explanation.trampoline ? Json(to_hex(*explanation.trampoline)) : Json();
  record["borrowed_from"] = hex_list(explanation.borrowed_from);
  record["reason"] = explanation.note.empty() ? Json() : Json(explanation.note);
  record["alternatives"] = Json::array();
  for (const Alternative& alternative : explanation.alternatives)
    record["alternatives"].push_back(
        {{"tactic", alternative.tactic}, {"outcome", alternative.outcome}});
  return record;
}

void print_text(const Json& record) {
  std::printf("%s", text_of(record, "address").c_str());
  if (const auto symbol = text_of(record, "symbol"); !symbol.empty())
    std::printf(" %s", symbol.c_str());
  if (const auto text = text_of(record, "asm"); !text.empty()) std::printf(": %s", text.c_str());
  if (const auto bytes = text_of(record, "bytes"); !bytes.empty())
    std::printf(" (%s)", bytes.c_str());
  std::printf("\n");
  const std::string tactic = text_of(record, "tactic"), result = text_of(record, "result");
  std::string verdict = result.empty() ? "no site" : result;
  if (!tactic.empty()) verdict += " by " + tactic;
  if (const auto target = text_of(record, "jump_target"); !target.empty())
    verdict += ", jumps to " + target;
  if (const auto body = text_of(record, "trampoline"); !body.empty() && !tactic.empty())
    verdict += ", trampoline at " + body;
  std::printf("  %s\n", verdict.c_str());
  for (const auto& [field, words] : {std::pair{"means", "means"},
                                     {"evicted", "evicts"},
                                     {"borrowed_from", "borrows bytes at"},
                                     {"reason", "note"}})
    if (const auto text = text_of(record, field); !text.empty())
      std::printf("  %s: %s\n", words, text.c_str());
  if (const auto found = record.find("alternatives"); found != record.end())
    for (const Json& alternative : *found)
      std::printf("  %s: %s\n", text_of(alternative, "tactic").c_str(),
                  text_of(alternative, "outcome").c_str());
}

void print_records(const std::vector<Json>& records, Format format) {
  if (format == Format::text) {
    for (const Json& record : records) print_text(record);
    return;
  }
  if (format == Format::json) return print_json(records);
  // One line per alternative: the shape that a spreadsheet can filter.
  RecordPrinter printer(format, {{"address"},
                                 {"symbol"},
                                 {"result"},
                                 {"tactic"},
                                 {"trampoline"},
                                 {"reason"},
                                 {"alternative"},
                                 {"outcome"}});
  for (const Json& record : records) {
    std::vector<Json> cells;
    for (const char* field : {"address", "symbol", "result", "tactic", "trampoline", "reason"})
      cells.emplace_back(text_of(record, field));
    const Json alternatives = record.value("alternatives", Json::array());
    for (const Json& alternative : alternatives) {
      auto line = cells;
      line.emplace_back(text_of(alternative, "tactic"));
      line.emplace_back(text_of(alternative, "outcome"));
      printer.record(line);
    }
    if (!alternatives.empty()) continue;
    cells.insert(cells.end(), {nullptr, nullptr});
    printer.record(cells);
  }
  printer.end();
}

Result<std::vector<Json>> recorded(const ExplainOptions& options) {
  std::map<std::string, Json> wanted;
  for (const Vaddr address : options.at) wanted[to_hex(address)] = nullptr;
  PUNSTER_TRY(read_site_records(*options.sites, [&](const Json& record) {
    const auto found = wanted.find(text_of(record, "address"));
    if (found != wanted.end()) found->second = record;
  }));
  std::vector<Json> records;
  for (const Vaddr address : options.at) {
    const Json& record = wanted[to_hex(address)];
    if (record.is_null())
      return error_at("not_a_site",
                      *options.sites + ": " + to_hex(address) +
                          " is not a site of this file (see its \"address\" fields)",
                      address);
    records.push_back(record);
  }
  return records;
}

Result<std::vector<Json>> planned(const ExplainOptions& options, Interruption& interruption) {
  ProgressBar bar;
  PUNSTER_TRY(const Subject subject,
              Subject::load(options.input, options.evidence, options.jobs, bar.sink()));
  PUNSTER_TRY(const auto groups, compile(options.groups, subject.image, options.intel_syntax));
  PUNSTER_TRY(const Selection selection, select(groups, subject, options.jobs));
  if (selection.sites.empty()) {
    return nothing_matched(options.groups, subject);
  }
  PUNSTER_TRY(Client client, Client::start(options.backend, [&](const Progress& p) {
                bar.show(p.phase, p.done, p.total);
              }));
  interruption.on_interrupt([process = client.process()] { process->kill(); });
  PUNSTER_TRY(client.send_subject(subject, options_request(options.backend, options.jobs)));
  // The counters of a plan are nobody's: the name only makes room for them.
  const bool counts = !selection.counted().empty();
  PUNSTER_TRY(
      client.send_sites(subject, selection, counts ? "/planned-only" : "", options.intel_syntax));
  PUNSTER_TRY(client.plan());
  PUNSTER_TRY(const auto reply, client.explain(options.at));
  const Syntax syntax = options.intel_syntax ? Syntax::intel : Syntax::att;
  std::vector<Json> records;
  for (const Explanation& explanation : reply.explanations)
    records.push_back(as_record(explanation, subject, syntax));
  return records;
}

}  // namespace

int run_explain(const ExplainOptions& options) {
  Interruption interruption;
  const auto records = options.sites ? recorded(options) : planned(options, interruption);
  interruption.disarm();
  if (records.has_error()) return fail(records.error());
  print_records(records.value(), options.format);
  return finish_stdout(exit_status::done);
}

}  // namespace punster
