#include "frontend/cli/serve_session.h"

#include "frontend/cli/file_draft.h"
#include "frontend/cli/output_guard.h"
#include "frontend/cli/proving.h"
#include "protocol/hex.h"
#include "protocol/shared_counters.h"

namespace punster {

ServeSession::ServeSession(ProgressSink progress, SessionFiles& files,
                           std::optional<std::string> backend)
    : progress_(std::move(progress)), files_(files) {
  backend_options_.backend = std::move(backend);
}

Result<void> ServeSession::need_subject() const {
  if (!subject_) return error("no_binary", "no file is open; send `open` first");
  return success();
}

Result<void> ServeSession::go_on() const {
  if (cancelled_) return error("cancelled", "cancelled by the client");
  return success();
}

Error ServeSession::named(Error error) const {
  return renamed(std::move(error), path_, shown_);
}

Result<OpenReply> ServeSession::open(const OpenRequest& request) {
  cancelled_ = false;
  subject_.reset();
  selected_.reset();
  if (request.bytes) {
    PUNSTER_TRY(path_, files_.hold(*request.bytes));
    shown_ = "the bytes";
  } else {
    PUNSTER_TRY(path_, files_.input(request.file));
    shown_ = shown_name(request.file);
  }
  jobs_ = request.jobs;
  auto loaded = Subject::load(path_, {}, jobs_, progress_);
  if (loaded.has_error()) return named(std::move(loaded).error());
  PUNSTER_TRY(go_on());
  subject_.emplace(std::move(loaded).value());
  const Image& image = subject_->image;
  const CodeMap& code = subject_->code;
  return OpenReply{to_string(image.kind()),  image.build_id(), image.sha256(),  image.file().size(),
                   code.instructions.size(), code.text.value,  code.code.value, code.data.value,
                   code.padding.value,       code.doubt.value};
}

Result<SitesReply> ServeSession::sites(const SitesRequest& request) {
  PUNSTER_TRY(need_subject());
  cancelled_ = false;
  const bool intel = request.syntax == "intel";
  if (!selected_ || selected_->match != request.match || selected_->syntax != request.syntax) {
    selected_.reset();
    PUNSTER_TRY(const auto groups, compiled({request.match, {}}, intel, "/params"));
    PUNSTER_TRY(auto selection, select(groups, *subject_, jobs_));
    selected_ = {request.match, request.syntax, std::move(selection)};
  }
  PUNSTER_TRY(go_on());
  SitesReply reply;
  const Image& image = subject_->image;
  const auto& all = selected_->selection.sites;
  reply.total = all.size();
  const auto text = [](std::string value) {
    return value.empty() ? std::optional<std::string>() : std::optional(std::move(value));
  };
  for (std::size_t i = request.from; i < all.size() && i - request.from < request.count; ++i) {
    const Vaddr address = all[i].insn.address();
    const auto bytes = image.bytes_at(address, Bytes{all[i].insn.length()});
    const Section* section = image.section_at(address);
    reply.address.push_back(address);
    reply.offset.push_back(image.to_offset(address));
    reply.size.push_back(all[i].insn.length());
    reply.bytes.push_back(to_hex(bytes));
    reply.assembly.push_back(assembly(bytes, address, intel ? Syntax::intel : Syntax::att));
    reply.section.push_back(section ? text(section->name) : std::nullopt);
    reply.symbol.push_back(text(image.describe(address)));
  }
  return reply;
}

Result<std::vector<CompiledGroup>> ServeSession::compiled(const ActionGroup& group, bool intel,
                                                          const std::string& where) const {
  auto result = compile({group}, subject_->image, intel, files_.any_path());
  if (result.has_value()) return result;
  // The column stands in the message, below the expression.
  Error fault = std::move(result).error();
  fault.where = where + (fault.kind == "bad_action" ? "/action" : "/match");
  return fault;
}

Result<Selection> ServeSession::selected(const RewriteRequest& request) const {
  if (request.rules.size() > max_groups)
    return error_in("bad_request", "more than 64 rules (join expressions by `or`)",
                    "/params/rules");
  std::vector<CompiledGroup> groups;
  std::vector<std::string> expressions;
  for (std::size_t i = 0; i < request.rules.size(); ++i) {
    const auto& rule = request.rules[i];
    PUNSTER_TRY(auto group, compiled({rule.match, rule.action}, request.syntax == "intel",
                                     "/params/rules/" + std::to_string(i)));
    groups.push_back(std::move(group.front()));
    expressions.insert(expressions.end(), rule.match.begin(), rule.match.end());
  }
  PUNSTER_TRY(auto selection, select(groups, *subject_, jobs_));
  if (selection.sites.empty()) return named(nothing_matched(expressions, *subject_));
  return selection;
}

Result<std::shared_ptr<Client>> ServeSession::fresh_backend() {
  PUNSTER_TRY(auto client, Client::start(backend_options_, [this](const Progress& p) {
                progress_(p.phase, p.done, p.total);
              }));
  auto shared = std::make_shared<Client>(std::move(client));
  const std::lock_guard lock(mutex_);
  backend_ = shared;
  return shared;
}

Result<std::optional<std::string>> ServeSession::counters_for(const RewriteRequest& request,
                                                              const Selection& selection) const {
  if (selection.counted().empty()) return std::optional<std::string>();
  if (request.counters) return request.counters;
  if (!request.file) return std::optional<std::string>("/planned-only");
  if (request.file->descriptor || !files_.any_path())
    return error_in("bad_request", "say where the counters go: an absolute path",
                    "/params/counters");
  return std::optional(absolute_path(request.file->path + ".counts"));
}

Result<RewriteReply> ServeSession::rewrite(const RewriteRequest& request) {
  PUNSTER_TRY(need_subject());
  cancelled_ = false;
  PUNSTER_TRY(const Selection selection, selected(request));
  PUNSTER_TRY(const auto counters, counters_for(request, selection));
  PUNSTER_TRY(go_on());
  // From here on it is settled what is to be done; nothing was started or written.
  PUNSTER_TRY(const auto backend, fresh_backend());
  auto options = request.options;
  if (!options.jobs) options.jobs = jobs_;
  PUNSTER_TRY(backend->send_subject(*subject_, options));
  PUNSTER_TRY(
      backend->send_sites(*subject_, selection, counters.value_or(""), request.syntax == "intel"));
  PUNSTER_TRY(go_on());
  RewriteReply reply;
  if (!request.file) {
    PUNSTER_TRY(reply.statistics, backend->call("plan", Json::object()));
    return reply;
  }
  PUNSTER_TRY(reply.statistics, emitted(*backend, *request.file));
  last_output_ = request.file->path;
  if (counters) {
    PUNSTER_TRY(write_counters(*counters, selection.counted()));
    reply.counters = counters;
  }
  return reply;
}

Result<Json> ServeSession::emitted(Client& backend, const FileName& file) {
  PUNSTER_TRY(auto place, files_.output(file));
  EmitRequest request;
  request.filename = absolute_path(place.path());
  auto statistics = backend.call("emit", to_json(request));
  if (statistics.has_error())
    return renamed(std::move(statistics).error(), absolute_path(place.path()), place.shown());
  PUNSTER_TRY(place.keep());
  return statistics;
}

Result<void> ServeSession::write_counters(const std::string& path,
                                          const std::vector<Vaddr>& counted) {
  PUNSTER_TRY(auto place, files_.output({path, {}}));
  PUNSTER_TRY(SharedCounters::create(place.path(), counted));
  return place.keep();
}

Result<Json> ServeSession::verify(const ProveRequest& request) {
  PUNSTER_TRY(need_subject());
  cancelled_ = false;
  const FileName file = request.file.value_or(FileName{last_output_, {}});
  if (file.path.empty() && !file.descriptor)
    return error_in("bad_request", "nothing was written yet, or not under a name; say which file",
                    "/params/filename");
  PUNSTER_TRY(const auto patched, files_.input(file));
  VerifyRequest proof;
  proof.original = path_;
  proof.patched = patched;
  proof.jobs = jobs_;
  auto report = prove(*subject_, std::move(proof));
  if (report.has_error())
    return named(renamed(std::move(report).error(), patched, shown_name(file)));
  Json reply = figures(report.value());
  reply["proved"] = report.value().ok();
  reply["listed"] = listed_failures(report.value());
  return reply;
}

Result<Json> ServeSession::forward(const std::string& method, Json params) {
  cancelled_ = false;
  auto backend = backend_;
  if (!backend || method == "binary") {
    PUNSTER_TRY(backend, fresh_backend());
  }
  if (method == "binary") {
    PUNSTER_TRY(const auto request, parse_message<BinaryRequest>(params, "/params"));
    const FileName name{request.filename, request.descriptor};
    PUNSTER_TRY(const auto path, files_.input(name));
    BinaryRequest opened;
    opened.filename = absolute_path(path);
    opened.mode = request.mode;
    auto reply = backend->call(method, to_json(opened));
    if (reply.has_error())
      return renamed(std::move(reply).error(), absolute_path(path), shown_name(name));
    return reply;
  }
  if (method == "emit") {
    PUNSTER_TRY(const auto request, parse_message<EmitRequest>(params, "/params"));
    return emitted(*backend, {request.filename, request.descriptor});
  }
  return backend->call(method, std::move(params));
}

void ServeSession::cancel() {
  cancelled_ = true;
  const std::lock_guard lock(mutex_);
  if (backend_) backend_->cancel();
}

}  // namespace punster
