// Messages of the session: hello, the file, options, trampolines, output, progress.

#include "protocol/messages.h"

#include <algorithm>

#include "protocol/fields.h"
#include "protocol/hex.h"
#include "protocol/limits.h"

namespace punster {
namespace {

template <typename T>
void put(Json& json, const char* name, const std::optional<T>& value) {
  if (value) json[name] = *value;
}

}  // namespace

Json to_json(const InitializeRequest& m) {
  return {{"protocol_version", m.version},
          {"client", {{"name", m.client_name}, {"version", m.client_version}}}};
}

Result<InitializeRequest> from_json(const Json& json, const InitializeRequest*,
                                    const std::string& where) {
  InitializeRequest m;
  Fields fields(json, where);
  fields.required("protocol_version", m.version);
  if (const Json* client = fields.find("client"); client && !client->is_null()) {
    const auto place = fields.place("client");
    Fields about(*client, place);
    about.optional("name", m.client_name);
    about.optional("version", m.client_version);
    PUNSTER_TRY(about.verdict());
  }
  return fields.done(m);
}

Json to_json(const InitializeReply& m) {
  return {{"protocol_version", m.version},
          {"server", {{"name", m.server_name}, {"version", m.server_version}}},
          {"capabilities", m.capabilities},
          {"limits", m.limits}};
}

Result<InitializeReply> from_json(const Json& json, const InitializeReply*,
                                  const std::string& where) {
  InitializeReply m;
  Fields fields(json, where);
  fields.required("protocol_version", m.version);
  if (const Json* server = fields.find("server"); server && !server->is_null()) {
    const auto place = fields.place("server");
    Fields about(*server, place);
    about.optional("name", m.server_name);
    about.optional("version", m.server_version);
    PUNSTER_TRY(about.verdict());
  }
  fields.optional("capabilities", m.capabilities);
  fields.optional("limits", m.limits);
  return fields.done(m);
}

Json to_json(const BinaryRequest& m) {
  Json json = Json::object();
  put_file(json, {m.filename, m.descriptor});
  if (!m.mode.empty()) json["mode"] = m.mode;
  return json;
}

Result<BinaryRequest> from_json(const Json& json, const BinaryRequest*, const std::string& where) {
  BinaryRequest m;
  Fields fields(json, where);
  fields.file(m.filename, m.descriptor);
  fields.optional("mode", m.mode);
  // E9Patch's guide writes elf.exe and elf.so.
  if (m.mode == "elf.exe") m.mode = "exe";
  if (m.mode == "elf.so" || m.mode == "elf.dso") m.mode = "dso";
  fields.check(m.mode.empty() || m.mode == "exe" || m.mode == "dso", "mode",
               "expected \"exe\" or \"dso\"");
  return fields.done(m);
}

Json to_json(const BinaryReply& m) {
  return {{"kind", m.kind}, {"build_id", m.build_id}};
}

Result<BinaryReply> from_json(const Json& json, const BinaryReply*, const std::string& where) {
  BinaryReply m;
  Fields fields(json, where);
  fields.required("kind", m.kind);
  fields.optional("build_id", m.build_id);
  return fields.done(m);
}

Json to_json(const OptionsRequest& m) {
  Json json = Json::object();
  if (!m.tactics.empty()) json["tactics"] = m.tactics;
  put(json, "max_mappings", m.max_mappings);
  put(json, "traps", m.traps);
  put(json, "trap_with", m.trap_with);
  put(json, "chaining", m.chaining);
  put(json, "unwind", m.unwind);
  put(json, "unwind_rows", m.unwind_rows);
  put(json, "raise", m.raise);
  put(json, "layout", m.layout);
  put(json, "max_headers", m.max_headers);
  put(json, "share_pages", m.share_pages);
  put(json, "jobs", m.jobs);
  put(json, "build_id", m.build_id);
  put(json, "solver", m.solver);
  put(json, "landing_pads", m.landing_pads);
  put(json, "stubs", m.stubs);
  put(json, "lookahead", m.lookahead);
  put(json, "optimize", m.optimize);
  if (!m.ignored.empty()) json["ignored"] = m.ignored;
  return json;
}

Result<OptionsRequest> from_json(const Json& json, const OptionsRequest*,
                                 const std::string& where) {
  OptionsRequest m;
  Fields fields(json, where);
  fields.optional("tactics", m.tactics);
  fields.optional("max_mappings", m.max_mappings);
  fields.optional("traps", m.traps);
  fields.optional("trap_with", m.trap_with);
  fields.optional("chaining", m.chaining);
  fields.optional("unwind", m.unwind);
  fields.optional("unwind_rows", m.unwind_rows);
  fields.optional("raise", m.raise);
  fields.optional("layout", m.layout);
  fields.optional("max_headers", m.max_headers);
  fields.optional("share_pages", m.share_pages);
  fields.optional("jobs", m.jobs);
  fields.optional("build_id", m.build_id);
  fields.optional("solver", m.solver);
  fields.optional("landing_pads", m.landing_pads);
  fields.optional("stubs", m.stubs);
  fields.optional("lookahead", m.lookahead);
  fields.optional("optimize", m.optimize);
  fields.optional("ignored", m.ignored);
  static constexpr std::string_view known[] = {"C1", "B1", "B2", "T1", "T2", "T3", "B0"};
  for (std::size_t i = 0; i < m.tactics.size(); ++i) {
    const auto& tactic = m.tactics[i];
    if (std::find(std::begin(known), std::end(known), tactic) == std::end(known))
      fields.fail(pointer_to(fields.place("tactics"), i),
                  "unknown tactic \"" + tactic + "\"; expected C1, B1, B2, T1, T2, T3 or B0");
  }
  fields.check(!m.max_headers || (*m.max_headers >= 1 && *m.max_headers <= most_program_headers),
               "max_headers", "expected a number of program headers from 1 to 1170");
  fields.check(!m.jobs || (*m.jobs >= 1 && *m.jobs <= 1024), "jobs",
               "expected a number of threads from 1 to 1024");
  fields.check(!m.trap_with || std::find(std::begin(trap_names), std::end(trap_names),
                                         *m.trap_with) != std::end(trap_names),
               "trap_with", "expected \"ud2\", \"int3\", \"int-03\" or \"hlt\"");
  fields.check(!m.unwind_rows || std::find(std::begin(unwind_row_names), std::end(unwind_row_names),
                                           *m.unwind_rows) != std::end(unwind_row_names),
               "unwind_rows", "expected \"auto\", \"bodies\", \"all\" or \"process\"");
  fields.check(!m.build_id || *m.build_id == "keep" || *m.build_id == "new", "build_id",
               "expected \"keep\" or \"new\"");
  fields.check(!m.solver || *m.solver == "joint" || *m.solver == "greedy", "solver",
               "expected \"joint\" or \"greedy\"");
  fields.check(!m.lookahead || *m.lookahead <= 5, "lookahead", "expected 0 to 5 followers");
  static constexpr std::string_view presets[] = {"balanced", "speed", "mappings", "size"};
  fields.check(!m.optimize || std::find(std::begin(presets), std::end(presets), *m.optimize) !=
                                  std::end(presets),
               "optimize", "expected \"balanced\", \"speed\", \"mappings\" or \"size\"");
  return fields.done(m);
}

Json to_json(const TrampolineRequest& m) {
  Json json = {{"name", m.name}, {"template", m.code}};
  if (m.retarget_calls) json["retarget_calls"] = true;
  return json;
}

Result<TrampolineRequest> from_json(const Json& json, const TrampolineRequest*,
                                    const std::string& where) {
  TrampolineRequest m;
  Fields fields(json, where);
  fields.required("name", m.name);
  fields.check(m.name.size() >= 2 && m.name.size() <= max_name && m.name[0] == '$', "name",
               "a trampoline's name begins with $ and has 2 to 256 characters");
  for (const auto* built_in : {"$instr", "$bytes", "$break", "$BREAK", "$take"})
    fields.check(m.name != built_in, "name", "this macro is built in");
  if (const Json* code = fields.find("template")) {
    fields.check(code->is_array(), "template", "expected an array");
    m.code = *code;
  } else {
    fields.fail(where, "\"template\" is missing");
  }
  fields.optional("retarget_calls", m.retarget_calls);
  return fields.done(m);
}

Json to_json(const CountersRequest& m) {
  return {{"path", m.path}, {"capacity", m.capacity}};
}

Result<CountersRequest> from_json(const Json& json, const CountersRequest*,
                                  const std::string& where) {
  CountersRequest m;
  Fields fields(json, where);
  fields.required("path", m.path);
  fields.required("capacity", m.capacity);
  fields.check_path("path", m.path);
  fields.check(m.path.starts_with('/'), "path",
               "the path must be absolute: the program opens it from anywhere");
  fields.check(m.capacity > 0 && m.capacity <= max_counters, "capacity",
               "expected 1 to 2^30 counters");
  return fields.done(m);
}

Json to_json(const CountersReply& m) {
  return {{"address", to_hex(m.address)}};
}

Result<CountersReply> from_json(const Json& json, const CountersReply*, const std::string& where) {
  CountersReply m;
  Fields fields(json, where);
  fields.required("address", m.address);
  return fields.done(m);
}

Json to_json(const EmitRequest& m) {
  Json json = {{"format", m.format}};
  put_file(json, {m.filename, m.descriptor});
  return json;
}

Result<EmitRequest> from_json(const Json& json, const EmitRequest*, const std::string& where) {
  EmitRequest m;
  Fields fields(json, where);
  fields.file(m.filename, m.descriptor);
  fields.optional("format", m.format);
  fields.check(m.format == "binary", "format", "only the format \"binary\" is written");
  return fields.done(m);
}

Json to_json(const Progress& m) {
  return {{"phase", m.phase}, {"done", m.done}, {"total", m.total}};
}

Result<Progress> from_json(const Json& json, const Progress*, const std::string& where) {
  Progress m;
  Fields fields(json, where);
  fields.required("phase", m.phase);
  fields.required("done", m.done);
  fields.required("total", m.total);
  return fields.done(m);
}

}  // namespace punster
