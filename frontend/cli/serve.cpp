// punster serve: the protocol with the frontend inside the session, on standard streams or a
// socket.

#include <algorithm>

#include "frontend/cli/failure.h"
#include "frontend/cli/serve_session.h"
#include "protocol/service/run_service.h"

namespace punster {

namespace {

constexpr const char* forwarded[] = {"binary",      "options",  "trampoline", "instructions",
                                     "instruction", "padding",  "patches",    "patch",
                                     "reserve",     "counters", "plan",       "emit",
                                     "stats",       "results",  "explain"};
constexpr std::string_view jobs[] = {"open", "sites", "rewrite", "verify",
                                     "plan", "emit",  "explain"};

class ServeMethods : public SessionMethods {
 public:
  ServeMethods(ProgressSink progress, SessionFiles& files, std::optional<std::string> backend)
      : session_(std::move(progress), files, std::move(backend)) {}

  void bind(Dispatcher& d) override {
    d.bind<InitializeRequest>("initialize", [](const auto& request) -> Result<InitializeReply> {
      PUNSTER_TRY(auto reply, greet(request, "punster"));
      for (const auto* more : {"counters", "descriptors", "explain", "open", "plan", "replace",
                               "results", "rewrite", "sites", "verify"})
        reply.capabilities.emplace_back(more);
      return reply;
    });
    d.bind<OpenRequest>("open", [this](const auto& r) { return session_.open(r); });
    d.bind<SitesRequest>("sites", [this](const auto& r) { return session_.sites(r); });
    d.bind<RewriteRequest>("rewrite", [this](const auto& r) { return session_.rewrite(r); });
    d.bind<ProveRequest>("verify", [this](const auto& r) { return session_.verify(r); });
    for (const std::string method : forwarded)
      d.bind_raw(method, [this, method](Json& params) {
        return session_.forward(method, std::move(params));
      });
  }
  [[nodiscard]] bool is_job(std::string_view method) const override {
    return std::find(std::begin(jobs), std::end(jobs), method) != std::end(jobs);
  }
  void cancel() override { session_.cancel(); }

 private:
  ServeSession session_;
};

}  // namespace

int run_serve(const ServeOptions& options) {
  const auto status = run_service("punster", options.listen, [&](Connection& connection) {
    return serve_requests(connection, [&](ProgressSink progress) {
      return std::make_unique<ServeMethods>(std::move(progress), connection.files, options.backend);
    });
  });
  return status.has_error() ? fail(status.error()) : status.value();
}

}  // namespace punster
