#include "backend/session/methods.h"

#include <algorithm>

#include "backend/trampoline/template.h"
#include "protocol/fields.h"
#include "protocol/limits.h"

namespace punster {
namespace {

// E9Patch's single messages: one instruction, one patch. They become batches of one.
Result<Json> add_instruction(Session& session, const Json& params) {
  InstructionsRequest request;
  const std::string where = "/params";
  Fields fields(params, where);
  unsigned length = 0;
  fields.required("address", request.address);
  fields.required("length", length);
  fields.check(request.address < max_address, "address", "the address is too high");
  fields.check(length >= 1 && length <= max_instruction, "length",
               "expected a length from 1 to 15");
  PUNSTER_TRY(fields.verdict());
  request.lengths = {static_cast<std::uint8_t>(length)};
  PUNSTER_TRY(session.add_instructions(request));
  return Json::object();
}

Result<Json> add_patch(Session& session, Json& params) {
  Json batch = {{"deltas", {0}}};
  for (const auto* same : {"address", "trampoline", "replace"})
    if (const auto member = params.find(same); member != params.end()) batch[same] = *member;
  if (const auto metadata = params.find("metadata"); metadata != params.end()) {
    if (!metadata->is_object())
      return error_in("bad_request", "expected an object", "/params/metadata");
    batch["columns"] = Json::object();
    for (auto& [name, value] : metadata->items())
      batch["columns"][name] = Json::array({std::move(value)});
  }
  PUNSTER_TRY(const auto request, parse_message<PatchesRequest>(batch, "/params"));
  PUNSTER_TRY(session.add_patches(request));
  return Json::object();
}

}  // namespace

Result<ReserveRequest> with_contents(ReserveRequest request) {
  if (!request.raw.is_object()) return request;
  const auto code = request.raw.find("bytes");
  if (code == request.raw.end()) return request;
  PUNSTER_TRY(const auto bytes,
              Template::encode_data(*code, "/params/bytes", request.address.value_or(Vaddr{})));
  request.bytes.assign(bytes.begin(), bytes.end());
  request.raw.erase("bytes");
  if (request.bytes.empty() && request.length == 0)
    return error_in("bad_request", "there is nothing in it", "/params/bytes");
  return request;
}

Result<InitializeReply> greet(const InitializeRequest& request) {
  if (request.version < 1)
    return error_in(
        "unsupported_version",
        "this service speaks protocol versions 1 to " + std::to_string(protocol_version),
        "/params/protocol_version");
  InitializeReply reply;
  reply.version = std::min(request.version, protocol_version);
  reply.server_name = "punster-backend";
  reply.server_version = PUNSTER_VERSION;
  reply.capabilities = {"batches", "cancel",   "counters", "explain",
                        "plan",    "progress", "replace",  "results"};
  reply.limits = {{"line_bytes", max_line_bytes},
                  {"nesting", max_nesting},
                  {"batch_entries", max_batch_entries},
                  {"batch_requests", max_batch},
                  {"columns", max_columns},
                  {"body_bytes", Template::max_body}};
  return reply;
}

void bind_methods(Dispatcher& d, Session& s) {
  d.bind<BinaryRequest>("binary", [&s](const auto& request) { return s.open(request); });
  d.bind<OptionsRequest>("options", [&s](const auto& request) { return s.set_options(request); });
  d.bind<TrampolineRequest>("trampoline",
                            [&s](const auto& request) { return s.define_trampoline(request); });
  d.bind<InstructionsRequest>("instructions",
                              [&s](const auto& request) { return s.add_instructions(request); });
  d.bind_raw("instruction", [&s](Json& params) { return add_instruction(s, params); });
  d.bind<PaddingRequest>("padding", [&s](const auto& request) { return s.add_padding(request); });
  d.bind<PatchesRequest>("patches", [&s](const auto& request) { return s.add_patches(request); });
  d.bind_raw("patch", [&s](Json& params) { return add_patch(s, params); });
  d.bind<ReserveRequest>("reserve", [&s](const auto& request) -> Result<ReserveReply> {
    PUNSTER_TRY(const auto complete, with_contents(request));
    return s.reserve(complete);
  });
  d.bind<CountersRequest>("counters",
                          [&s](const auto& request) { return s.use_counters(request); });
  d.bind_plain("plan", [&s] { return s.plan(); });
  d.bind<EmitRequest>("emit", [&s](const auto& request) { return s.emit(request); });
  d.bind_plain("stats", [&s] { return Result<Statistics>(s.statistics()); });
  d.bind<ResultsRequest>("results", [&s](const auto& request) { return s.results(request); });
  d.bind<ExplainRequest>("explain", [&s](const auto& request) { return s.explain(request); });
}

}  // namespace punster
