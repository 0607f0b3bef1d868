// Messages that tell what became of the sites: statistics, results, explanations.

#include "protocol/fields.h"
#include "protocol/hex.h"
#include "protocol/limits.h"
#include "protocol/messages.h"

namespace punster {
namespace {

Json hex_or_null(const std::optional<Vaddr>& address) {
  return address ? Json(to_hex(*address)) : Json();
}

Json alternatives_json(const std::vector<Alternative>& alternatives) {
  Json array = Json::array();
  for (const auto& a : alternatives)
    array.push_back({{"tactic", a.tactic}, {"outcome", a.outcome}});
  return array;
}

Result<Explanation> read_explanation(const Json& json, const std::string& where) {
  Explanation m;
  Fields fields(json, where);
  fields.required("address", m.address);
  fields.required("result", m.result);
  fields.optional("tactic", m.tactic);
  fields.optional("jump_target", m.jump_target);
  fields.optional("trampoline", m.trampoline);
  fields.optional("borrowed_from", m.borrowed_from);
  fields.optional("note", m.note);
  const Json* alternatives = fields.find("alternatives");
  const auto place = fields.place("alternatives");
  if (alternatives && !alternatives->is_array()) fields.fail(place, "expected an array");
  for (std::size_t i = 0; alternatives && i < alternatives->size() && fields.good(); ++i) {
    const auto here = pointer_to(place, i);
    Fields each((*alternatives)[i], here);
    auto& alternative = m.alternatives.emplace_back();
    each.required("tactic", alternative.tactic);
    each.required("outcome", alternative.outcome);
    PUNSTER_TRY(each.verdict());
  }
  return fields.done(m);
}

}  // namespace

Json to_json(const UnwindStatistics& m) {
  return {{"functions", m.functions},
          {"left_out", m.left_out},
          {"stubs", m.stubs},
          {"for_process", m.for_process},
          {"symbols", m.symbols},
          {"bytes", m.bytes},
          {"note", m.note.empty() ? Json() : Json(m.note)}};
}

Json to_json(const Statistics& m) {
  return {{"sites", m.sites},
          {"patched", m.patched},
          {"trapped", m.trapped},
          {"failed", m.failed},
          {"by_tactic", m.by_tactic},
          {"by_means", m.by_means},
          {"mappings", m.mappings},
          {"virtual_pages", m.virtual_pages},
          {"physical_pages", m.physical_pages},
          {"output_bytes", m.output_bytes},
          {"layout", m.layout},
          {"layout_reason", m.layout_reason},
          {"raised_by", to_hex(Vaddr{m.raised_by})},
          {"not_raised", m.not_raised},
          {"shadow_stack_cleared", m.shadow_stack_cleared},
          {"branch_tracking_cleared", m.branch_tracking_cleared},
          {"unwind", to_json(m.unwind)},
          {"seconds",
           {{"ingest", m.seconds_ingest},
            {"solve", m.seconds_solve},
            {"place", m.seconds_place},
            {"share", m.seconds_share},
            {"emit", m.seconds_emit}}},
          {"peak_rss_bytes", m.peak_rss_bytes}};
}

Result<UnwindStatistics> from_json(const Json& json, const UnwindStatistics*,
                                   const std::string& where) {
  UnwindStatistics m;
  Fields fields(json, where);
  fields.optional("functions", m.functions);
  fields.optional("left_out", m.left_out);
  fields.optional("stubs", m.stubs);
  fields.optional("for_process", m.for_process);
  fields.optional("symbols", m.symbols);
  fields.optional("bytes", m.bytes);
  fields.optional("note", m.note);
  return fields.done(m);
}

Result<Statistics> from_json(const Json& json, const Statistics*, const std::string& where) {
  Statistics m;
  Fields fields(json, where);
  fields.required("sites", m.sites);
  fields.required("patched", m.patched);
  fields.required("trapped", m.trapped);
  fields.required("failed", m.failed);
  fields.optional("by_tactic", m.by_tactic);
  fields.optional("by_means", m.by_means);
  fields.optional("mappings", m.mappings);
  fields.optional("virtual_pages", m.virtual_pages);
  fields.optional("physical_pages", m.physical_pages);
  fields.optional("output_bytes", m.output_bytes);
  fields.optional("layout", m.layout);
  fields.optional("layout_reason", m.layout_reason);
  Vaddr raised_by;
  fields.optional("raised_by", raised_by);
  m.raised_by = raised_by.value;
  fields.optional("not_raised", m.not_raised);
  fields.optional("shadow_stack_cleared", m.shadow_stack_cleared);
  fields.optional("branch_tracking_cleared", m.branch_tracking_cleared);
  fields.optional("peak_rss_bytes", m.peak_rss_bytes);
  if (const Json* unwind = fields.find("unwind"); unwind && !unwind->is_null()) {
    PUNSTER_TRY(m.unwind, parse_message<UnwindStatistics>(*unwind, fields.place("unwind")));
  }
  if (const Json* seconds = fields.find("seconds"); seconds && !seconds->is_null()) {
    const auto place = fields.place("seconds");
    Fields phases(*seconds, place);
    phases.optional("ingest", m.seconds_ingest);
    phases.optional("solve", m.seconds_solve);
    phases.optional("place", m.seconds_place);
    phases.optional("share", m.seconds_share);
    phases.optional("emit", m.seconds_emit);
    PUNSTER_TRY(phases.verdict());
  }
  return fields.done(m);
}

Json to_json(const ResultsRequest& m) {
  return {{"from", m.from}, {"count", m.count}};
}

Result<ResultsRequest> from_json(const Json& json, const ResultsRequest*,
                                 const std::string& where) {
  ResultsRequest m;
  Fields fields(json, where);
  fields.optional("from", m.from);
  fields.optional("count", m.count);
  fields.check(m.count > 0 && m.count <= max_batch_entries, "count",
               "expected 1 to 65536 sites a time");
  return fields.done(m);
}

Json to_json(const ResultsReply& m) {
  Json trampolines = Json::array(), evicted = Json::array();
  for (const auto& address : m.trampoline) trampolines.push_back(hex_or_null(address));
  for (const auto& addresses : m.evicted) evicted.push_back(to_hex_array(addresses));
  return {{"address", to_hex_array(m.address)},
          {"result", m.result},
          {"tactic", m.tactic},
          {"means", m.means},
          {"trampoline", std::move(trampolines)},
          {"evicted", std::move(evicted)},
          {"reason", m.reason},
          {"total", m.total}};
}

Result<ResultsReply> from_json(const Json& json, const ResultsReply*, const std::string& where) {
  ResultsReply m;
  Fields fields(json, where);
  fields.required("address", m.address);
  fields.required("result", m.result);
  fields.required("tactic", m.tactic);
  fields.required("means", m.means);
  fields.required("trampoline", m.trampoline);
  fields.required("evicted", m.evicted);
  fields.required("reason", m.reason);
  fields.required("total", m.total);
  const auto rows = m.address.size();
  if (m.result.size() != rows || m.tactic.size() != rows || m.means.size() != rows ||
      m.trampoline.size() != rows || m.evicted.size() != rows || m.reason.size() != rows)
    fields.fail(where, "the columns are not of one length");
  return fields.done(m);
}

Json to_json(const ExplainRequest& m) {
  return {{"addresses", to_hex_array(m.addresses)}};
}

Result<ExplainRequest> from_json(const Json& json, const ExplainRequest*,
                                 const std::string& where) {
  ExplainRequest m;
  Fields fields(json, where);
  fields.required("addresses", m.addresses);
  fields.check(m.addresses.size() <= max_batch_entries, "addresses",
               "more than 65536 entries; send several smaller requests");
  return fields.done(m);
}

Json to_json(const ExplainReply& m) {
  Json array = Json::array();
  for (const auto& e : m.explanations)
    array.push_back({{"address", to_hex(e.address)},
                     {"result", e.result},
                     {"tactic", e.tactic},
                     {"jump_target", hex_or_null(e.jump_target)},
                     {"trampoline", hex_or_null(e.trampoline)},
                     {"alternatives", alternatives_json(e.alternatives)},
                     {"borrowed_from", to_hex_array(e.borrowed_from)},
                     {"note", e.note}});
  return {{"explanations", std::move(array)}};
}

Result<ExplainReply> from_json(const Json& json, const ExplainReply*, const std::string& where) {
  ExplainReply m;
  Fields fields(json, where);
  const Json* explanations = fields.find("explanations");
  if (!explanations || !explanations->is_array())
    fields.fail(fields.place("explanations"), "expected an array");
  else
    for (std::size_t i = 0; i < explanations->size(); ++i) {
      const auto place = pointer_to(fields.place("explanations"), i);
      PUNSTER_TRY(auto explanation, read_explanation((*explanations)[i], place));
      m.explanations.push_back(std::move(explanation));
    }
  return fields.done(m);
}

}  // namespace punster
