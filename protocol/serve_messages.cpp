#include "protocol/serve_messages.h"

#include "protocol/fields.h"
#include "protocol/hex.h"

namespace punster {
namespace {

void check_syntax(Fields& fields, const std::string& syntax) {
  fields.check(syntax == "att" || syntax == "intel", "syntax", "expected \"att\" or \"intel\"");
}

/// A file that may be left out.
void optional_file(Fields& fields, std::optional<FileName>& file) {
  if (fields.find("filename") || fields.find("descriptor")) {
    FileName& named = file.emplace();
    fields.file(named.path, named.descriptor);
  }
}

Json or_null(const std::optional<std::string>& text) {
  return text ? Json(*text) : Json();
}

}  // namespace

Json to_json(const OpenRequest& m) {
  Json json = {{"jobs", m.jobs}};
  if (m.bytes)
    json["bytes"] =
        to_hex(std::span(reinterpret_cast<const std::uint8_t*>(m.bytes->data()), m.bytes->size()));
  else
    put_file(json, m.file);
  return json;
}

Result<OpenRequest> from_json(const Json& json, const OpenRequest*, const std::string& where) {
  OpenRequest m;
  Fields fields(json, where);
  std::optional<std::string> digits;
  fields.optional("bytes", digits);
  if (digits) {
    m.bytes = parse_hex_bytes(*digits);
    fields.check(m.bytes.has_value(), "bytes", "expected pairs of hexadecimal digits");
  } else {
    fields.file(m.file.path, m.file.descriptor);
  }
  fields.optional("jobs", m.jobs);
  fields.check(m.jobs >= 1 && m.jobs <= 1024, "jobs",
               "expected a number of threads from 1 to 1024");
  return fields.done(m);
}

Json to_json(const OpenReply& m) {
  return {{"kind", m.kind},
          {"build_id", m.build_id},
          {"sha256", m.sha256},
          {"bytes", m.bytes},
          {"instructions", m.instructions},
          {"text_bytes", m.text_bytes},
          {"code_bytes", m.code_bytes},
          {"data_bytes", m.data_bytes},
          {"padding_bytes", m.padding_bytes},
          {"doubt_bytes", m.doubt_bytes}};
}

Json to_json(const SitesRequest& m) {
  return {{"match", m.match}, {"syntax", m.syntax}, {"from", m.from}, {"count", m.count}};
}

Result<SitesRequest> from_json(const Json& json, const SitesRequest*, const std::string& where) {
  SitesRequest m;
  Fields fields(json, where);
  fields.texts("match", m.match);
  fields.optional("syntax", m.syntax);
  fields.optional("from", m.from);
  fields.optional("count", m.count);
  check_syntax(fields, m.syntax);
  fields.check(m.count >= 1 && m.count <= 65536, "count", "expected 1 to 65536 sites");
  return fields.done(m);
}

Json to_json(const SitesReply& m) {
  Json json = {{"address", to_hex_array(m.address)},
               {"size", m.size},
               {"bytes", m.bytes},
               {"asm", m.assembly},
               {"total", m.total}};
  json["offset"] = json["section"] = json["symbol"] = Json::array();
  for (const auto& offset : m.offset)
    json["offset"].push_back(offset ? Json(to_hex(*offset)) : Json());
  for (const auto& section : m.section) json["section"].push_back(or_null(section));
  for (const auto& symbol : m.symbol) json["symbol"].push_back(or_null(symbol));
  return json;
}

Json to_json(const RewriteRule& m) {
  return {{"match", m.match}, {"action", m.action}};
}

Result<RewriteRule> from_json(const Json& json, const RewriteRule*, const std::string& where) {
  RewriteRule m;
  Fields fields(json, where);
  fields.texts("match", m.match);
  fields.texts("action", m.action);
  fields.check(!m.action.empty(), "action", "a rule needs an action");
  return fields.done(m);
}

Json to_json(const RewriteRequest& m) {
  Json json = {{"rules", Json::array()}, {"syntax", m.syntax}, {"options", to_json(m.options)}};
  for (const auto& rule : m.rules) json["rules"].push_back(to_json(rule));
  if (m.file) put_file(json, *m.file);
  if (m.counters) json["counters"] = *m.counters;
  return json;
}

Result<RewriteRequest> from_json(const Json& json, const RewriteRequest*,
                                 const std::string& where) {
  RewriteRequest m;
  Fields fields(json, where);
  const Json* rules = fields.find("rules");
  if (!rules || !rules->is_array() || rules->empty())
    return error_in("bad_request", "expected an array of rules, at least one",
                    pointer_to(where, "rules"));
  for (std::size_t i = 0; i < rules->size(); ++i) {
    PUNSTER_TRY(auto rule,
                parse_message<RewriteRule>((*rules)[i], pointer_to(pointer_to(where, "rules"), i)));
    m.rules.push_back(std::move(rule));
  }
  if (const Json* options = fields.find("options"); options && !options->is_null()) {
    PUNSTER_TRY(m.options, parse_message<OptionsRequest>(*options, pointer_to(where, "options")));
  }
  optional_file(fields, m.file);
  fields.optional("counters", m.counters);
  if (m.counters) {
    fields.check_path("counters", *m.counters);
    fields.check(m.counters->starts_with('/'), "counters",
                 "the path must be absolute: the program opens it from anywhere");
  }
  fields.optional("syntax", m.syntax);
  check_syntax(fields, m.syntax);
  return fields.done(m);
}

Json to_json(const RewriteReply& m) {
  return {{"statistics", m.statistics}, {"counters", or_null(m.counters)}};
}

Json to_json(const ProveRequest& m) {
  Json json = Json::object();
  if (m.file) put_file(json, *m.file);
  return json;
}

Result<ProveRequest> from_json(const Json& json, const ProveRequest*, const std::string& where) {
  ProveRequest m;
  Fields fields(json, where);
  optional_file(fields, m.file);
  return fields.done(m);
}

}  // namespace punster
