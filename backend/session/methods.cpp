#include "backend/session/methods.h"

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
  for (const auto* same : {"address", "trampoline", "replace", "trap"})
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

Result<BinaryReply> open_through(SessionFiles& files, Session& session,
                                 const BinaryRequest& request) {
  const FileName name{request.filename, request.descriptor};
  PUNSTER_TRY(const auto path, files.input(name));
  auto reply = session.open({path, request.mode, {}});
  if (reply.has_error()) return renamed(std::move(reply).error(), path, shown_name(name));
  return reply;
}

Result<Statistics> emit_through(SessionFiles& files, Session& session, const EmitRequest& request) {
  PUNSTER_TRY(auto place, files.output({request.filename, request.descriptor}));
  auto statistics = session.emit({place.path(), request.format, {}});
  if (statistics.has_error())
    return renamed(std::move(statistics).error(), place.path(), place.shown());
  PUNSTER_TRY(place.keep());
  return statistics;
}

namespace {

class BackendMethods : public SessionMethods {
 public:
  BackendMethods(ProgressSink progress, SessionFiles& files)
      : session_(std::move(progress)), files_(files) {}

  void bind(Dispatcher& d) override {
    bind_greeting(d);
    bind_files(d);
    bind_requests(d);
    bind_answers(d);
  }
  [[nodiscard]] bool is_job(std::string_view method) const override {
    return method == "plan" || method == "emit" || method == "explain";
  }
  void cancel() override { session_.cancel(); }

 private:
  static void bind_greeting(Dispatcher& d) {
    d.bind<InitializeRequest>("initialize", [](const auto& request) -> Result<InitializeReply> {
      PUNSTER_TRY(auto reply, greet(request, "punster-backend"));
      for (const auto* more : {"counters", "descriptors", "explain", "plan", "replace", "results"})
        reply.capabilities.emplace_back(more);
      reply.limits["body_bytes"] = Template::max_body;
      return reply;
    });
  }

  void bind_files(Dispatcher& d) {
    d.bind<BinaryRequest>(
        "binary", [this](const auto& request) { return open_through(files_, session_, request); });
    d.bind<EmitRequest>(
        "emit", [this](const auto& request) { return emit_through(files_, session_, request); });
  }

  void bind_requests(Dispatcher& d) {
    Session& s = session_;
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
  }

  void bind_answers(Dispatcher& d) {
    Session& s = session_;
    d.bind_plain("plan", [&s] { return s.plan(); });
    d.bind_plain("stats", [&s] { return Result<Statistics>(s.statistics()); });
    d.bind<ResultsRequest>("results", [&s](const auto& request) { return s.results(request); });
    d.bind<ExplainRequest>("explain", [&s](const auto& request) { return s.explain(request); });
  }

  Session session_;
  SessionFiles& files_;
};

}  // namespace

std::unique_ptr<SessionMethods> backend_methods(ProgressSink progress, SessionFiles& files) {
  return std::make_unique<BackendMethods>(std::move(progress), files);
}

}  // namespace punster
