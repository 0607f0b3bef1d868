#include "frontend/cli/client.h"

#include <algorithm>
#include <iterator>

#include "frontend/cli/patch_batches.h"
#include "frontend/match/code_writer.h"
#include "protocol/hex.h"

namespace punster {

namespace {

std::string mode_of(ImageKind kind) {
  return kind == ImageKind::dso ? "dso" : "exe";
}

/// Whether an error says that the other side went away, rather than what it thinks of a request.
bool is_loss(const Error& failure) {
  return failure.kind == "disconnected" || failure.kind == "io";
}

/// Whether it is about the backend's reply: our requests' faults are placed below "/params".
bool is_nonsense(const Error& failure) {
  return failure.kind == "parse_error" || failure.where.rfind("/result", 0) == 0;
}

}  // namespace

OptionsRequest options_request(const BackendOptions& options, unsigned jobs) {
  OptionsRequest request;
  request.tactics = options.tactics;
  request.max_mappings = options.max_mappings;
  request.traps = options.traps;
  request.trap_with = options.trap_with;
  if (!options.chaining) request.chaining = false;
  if (!options.unwind) request.unwind = false;
  request.unwind_rows = options.unwind_rows;
  request.raise = options.raise;
  request.layout = options.layout;
  request.max_headers = options.max_headers;
  if (options.share_pages) request.share_pages = true;
  request.jobs = jobs;
  request.build_id = options.build_id;
  request.solver = options.solver;
  if (!options.landing_pads) request.landing_pads = false;
  if (!options.stubs) request.stubs = false;
  request.lookahead = options.lookahead;
  request.optimize = options.optimize;
  return request;
}

Client::Client(std::shared_ptr<BackendProcess> process)
    : process_(std::move(process)),
      rpc_(std::make_unique<RpcClient>(process_->replies(), process_->requests())) {}

Error Client::translated(Error failure) {
  if (is_nonsense(failure))
    return error("backend_died", "punster-backend answered what is no answer: " + failure.message +
                                     "; nothing was written (install both from one build)");
  if (!is_loss(failure)) return failure;
  if (!end_) end_ = process_->finish();
  return error("backend_died", "punster-backend ended unexpectedly: " + *end_ +
                                   "; nothing was written (run again with another --backend, or "
                                   "report this)");
}

Result<Client> Client::start(const BackendOptions& options, ProgressSink progress) {
  PUNSTER_TRY(const auto program, find_backend(options.backend));
  PUNSTER_TRY(auto process, BackendProcess::start(program));
  Client client(std::make_shared<BackendProcess>(std::move(process)));
  client.rpc_->on_notification([progress](const std::string& method, const Json& params) {
    if (method != "progress" || !progress) return;
    if (const auto parsed = parse_message<Progress>(params, "/params")) progress(parsed.value());
  });

  InitializeRequest hello;
  hello.version = protocol_version;
  hello.client_name = "punster";
  hello.client_version = PUNSTER_VERSION;
  PUNSTER_TRY(const auto reply,
              client.checked(client.rpc_->call_as<InitializeReply>("initialize", hello)));
  if (reply.version != protocol_version)
    return error("version_mismatch",
                 program.string() + ": speaks version " + std::to_string(reply.version) +
                     " of the protocol, punster speaks " + std::to_string(protocol_version) +
                     " (install both from one build)");
  return client;
}

Result<void> Client::send_subject(const Subject& subject, const OptionsRequest& options) {
  BinaryRequest binary;
  binary.filename = subject.image.path().string();
  binary.mode = mode_of(subject.image.kind());
  PUNSTER_TRY(checked(rpc_->call_as<BinaryReply>("binary", binary)));
  PUNSTER_TRY(checked(rpc_->post_message("options", options)));
  PUNSTER_TRY(send_padding(subject.code));
  const auto& all = subject.code.instructions;
  if (!subject.trap_doubt) {
    PUNSTER_TRY(send_instructions(all));
    return checked(rpc_->drain());
  }
  // Of those in doubt only the sites are named: who is not known cannot be moved out of the way.
  std::vector<Insn> certain;
  std::ranges::copy_if(all, std::back_inserter(certain),
                       [&](const Insn& insn) { return !subject.only_traps(insn.address()); });
  PUNSTER_TRY(send_instructions(certain));
  return checked(rpc_->drain());
}

Result<void> Client::send_padding(const CodeMap& code) {
  PaddingRequest request;
  const auto flush = [&]() -> Result<void> {
    if (request.ranges.empty()) return success();
    PUNSTER_TRY(checked(rpc_->post_message("padding", request)));
    request.ranges.clear();
    return success();
  };
  for (const ClassRange& range : code.ranges) {
    if (range.kind != ByteClass::padding) continue;
    request.ranges.push_back(range.range);
    if (request.ranges.size() == batch_elements) {
      PUNSTER_TRY(flush());
    }
  }
  return flush();
}

Result<void> Client::send_instructions(const std::vector<Insn>& instructions) {
  InstructionsRequest run;
  Vaddr end;
  const auto flush = [&]() -> Result<void> {
    if (run.lengths.empty()) return success();
    PUNSTER_TRY(checked(rpc_->post_message("instructions", run)));
    run.lengths.clear();
    return success();
  };
  for (const Insn& insn : instructions) {
    if (insn.address() != end || run.lengths.size() == batch_elements) {
      PUNSTER_TRY(flush());
    }
    if (run.lengths.empty()) run.address = insn.address();
    run.lengths.push_back(static_cast<std::uint8_t>(insn.length()));
    end = insn.end();
  }
  return flush();
}

Result<void> Client::send_sites(const Subject& subject, const Selection& selection,
                                const std::string& counters_path, bool intel_syntax) {
  std::vector<Insn> doubtful;
  for (const Site& site : selection.sites)
    if (subject.only_traps(site.insn.address())) doubtful.push_back(site.insn);
  PUNSTER_TRY(send_instructions(doubtful));
  PatchBatches batches(subject, selection, intel_syntax);
  if (!counters_path.empty()) {
    CountersRequest request;
    request.path = counters_path;
    request.capacity = selection.counted().size();
    PUNSTER_TRY(const auto reply, checked(rpc_->call_as<CountersReply>("counters", request)));
    batches.count_from(reply.address);
  }
  PUNSTER_TRY(auto hooks, send_hooks(subject, selection));
  batches.hooks_at(std::move(hooks));
  PUNSTER_TRY(const auto trampolines, batches.trampolines());
  for (const TrampolineRequest& trampoline : trampolines)
    PUNSTER_TRY(checked(rpc_->post_message("trampoline", trampoline)));
  for (;;) {
    PUNSTER_TRY(const auto request, batches.next());
    if (!request) return checked(rpc_->drain());
    PUNSTER_TRY(checked(rpc_->post_message("patches", *request)));
  }
}

Result<std::map<std::string, Vaddr>> Client::send_hooks(const Subject& subject,
                                                        const Selection& selection) {
  std::map<std::string, Vaddr> hooks;
  for (const Treatment& treatment : selection.treatments)
    for (const PatchCall& use : treatment.patch.calls()) {
      const HookFile& file = *use.call->file;
      if (hooks.contains(file.path())) continue;
      PUNSTER_TRY(hooks[file.path()], send_hook(file, subject.image.kind() == ImageKind::dso));
    }
  return hooks;
}

/// Chunk by chunk; the backend puts what is reserved without an address side by side.
Result<Vaddr> Client::send_hook(const HookFile& file, bool library) {
  if (library && file.needs_end())
    return error("unsupported", file.path() +
                                    ": a shared object has no end that its fini or its destructors "
                                    "could run at");
  std::optional<Vaddr> base;
  std::vector<HookChunk> chunks = file.chunks();
  // Routines are named together with memory, once it is known where they are.
  if (chunks.size() == 1 && (file.start() || file.end()))
    chunks.push_back({Vaddr{chunks.front().length.value}, "", Bytes{1}, "r"});
  for (const HookChunk& chunk : chunks) {
    ReserveRequest request;
    request.length = chunk.length.value;
    request.bytes = chunk.bytes;
    request.protection = chunk.protection;
    if (&chunk == &chunks.back() && base) {
      request.raw = Json::object();
      if (file.start()) request.raw["init"] = address_value(*base + Bytes{file.start()->value});
      if (file.end() && !library)
        request.raw["fini"] = address_value(*base + Bytes{file.end()->value});
    }
    PUNSTER_TRY(const auto reply, checked(rpc_->call_as<ReserveReply>("reserve", request)));
    if (!base) base = reply.address;
    if (reply.address != *base + Bytes{chunk.address.value})
      return error("backend_died", "punster-backend put a hook's memory where it cannot be");
  }
  return *base;
}

Result<Statistics> Client::plan() {
  PUNSTER_TRY(const Json reply, checked(rpc_->call("plan")));
  return checked(parse_message<Statistics>(reply, "/result"));
}

Result<Statistics> Client::emit(const std::string& output) {
  EmitRequest request;
  request.filename = output;
  return checked(rpc_->call_as<Statistics>("emit", request));
}

Result<void> Client::results(const std::function<void(const ResultsReply&)>& take) {
  ResultsRequest request;
  request.count = batch_elements;
  for (;;) {
    PUNSTER_TRY(const auto page, checked(rpc_->call_as<ResultsReply>("results", request)));
    take(page);
    request.from += page.address.size();
    if (page.address.empty() || request.from >= page.total) return success();
  }
}

Result<ExplainReply> Client::explain(const std::vector<Vaddr>& addresses) {
  return checked(rpc_->call_as<ExplainReply>("explain", ExplainRequest{addresses}));
}

Result<Json> Client::call(const std::string& method, Json params) {
  return checked(rpc_->call(method, std::move(params)));
}

void Client::cancel() {
  static_cast<void>(rpc_->notify("cancel"));
}

}  // namespace punster
