// One session of `punster serve`: a file that was opened and analysed, and a backend for its
// rewritings.

#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "frontend/cli/client.h"
#include "frontend/cli/selection.h"
#include "protocol/serve_messages.h"
#include "protocol/service/strict_service.h"

namespace punster {

/// The backend works in a process of its own, as for `punster patch`. Every `rewrite` gets a fresh
/// one, which then answers `results`, `explain` and `stats`.
class ServeSession {
 public:
  /// `backend`: the option --backend. `files` outlives the session.
  ServeSession(ProgressSink progress, SessionFiles& files, std::optional<std::string> backend);

  Result<OpenReply> open(const OpenRequest&);
  Result<SitesReply> sites(const SitesRequest&);
  Result<RewriteReply> rewrite(const RewriteRequest&);
  Result<Json> verify(const ProveRequest&);

  /// A method of the backend. Files in `binary` and `emit` go through `files`.
  Result<Json> forward(const std::string& method, Json params);

  /// Any thread.
  void cancel();

 private:
  /// What the last `sites` selected: pages of one list ask for it again and again.
  struct Selected {
    std::vector<std::string> match;
    std::string syntax;
    Selection selection;
  };
  Result<void> need_subject() const;
  Result<void> go_on() const;
  /// One group; faults are placed at `where`, the JSON pointer of its rule.
  Result<std::vector<CompiledGroup>> compiled(const ActionGroup& group, bool intel,
                                              const std::string& where) const;
  Result<Selection> selected(const RewriteRequest&) const;
  Result<std::shared_ptr<Client>> fresh_backend();
  Result<Json> emitted(Client&, const FileName&);
  Result<std::optional<std::string>> counters_for(const RewriteRequest&, const Selection&) const;
  Result<void> write_counters(const std::string& path, const std::vector<Vaddr>& counted);
  /// Says the client's name for the file, where the analysis knows only where it was found.
  [[nodiscard]] Error named(Error error) const;

  ProgressSink progress_;
  SessionFiles& files_;
  BackendOptions backend_options_;
  std::optional<Subject> subject_;
  std::string path_, shown_;  // of the subject: to open, to print
  unsigned jobs_ = 1;
  std::optional<Selected> selected_;
  std::string last_output_;  // that verify() may look at
  std::mutex mutex_;         // for the pointer, which cancel() reads
  std::shared_ptr<Client> backend_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace punster
