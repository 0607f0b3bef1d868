// The backend as the subcommands use it: started, greeted, and fed with a whole binary's code and
// sites.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "frontend/cli/backend_process.h"
#include "frontend/cli/options.h"
#include "frontend/cli/selection.h"
#include "protocol/messages.h"
#include "protocol/rpc.h"

namespace punster {

/// Elements in one request: lines of about 50 KiB to 4 MiB, so that progress is seen, and a fault
/// in one is named by a place that a person can find.
inline constexpr std::size_t batch_elements = 16384;

/// The method `options` for what a command line asked for.
[[nodiscard]] OptionsRequest options_request(const BackendOptions& options, unsigned jobs);

class Client {
 public:
  /// Called on the calling thread, within calls of this class.
  using ProgressSink = std::function<void(const Progress&)>;

  /// Starts the backend and agrees on a version. Errors: "no_backend", "backend_died",
  /// "version_mismatch".
  static Result<Client> start(const BackendOptions& options, ProgressSink progress);

  /// binary, options, padding, instructions.
  Result<void> send_subject(const Subject& subject, const OptionsRequest& options);
  /// counters (when `counters_path` is not empty), reserve, trampoline, patches.
  Result<void> send_sites(const Subject& subject, const Selection& selection,
                          const std::string& counters_path, bool intel_syntax);

  Result<Statistics> plan();
  Result<Statistics> emit(const std::string& output);
  /// One page of results after another, in address order.
  Result<void> results(const std::function<void(const ResultsReply&)>& take);
  Result<ExplainReply> explain(const std::vector<Vaddr>& addresses);
  /// Any method, as it comes.
  Result<Json> call(const std::string& method, Json params);
  /// Makes what runs fail with "cancelled". Any thread.
  void cancel();

  /// For the interruption: kill() of this may be called from any thread, also after the client's
  /// end.
  [[nodiscard]] std::shared_ptr<BackendProcess> process() const { return process_; }

 private:
  explicit Client(std::shared_ptr<BackendProcess> process);
  /// Says how the backend ended when that is why a call failed.
  Error translated(Error failure);
  template <typename T>
  Result<T> checked(Result<T> result) {
    if (result.has_error()) return translated(std::move(result).error());
    return result;
  }
  Result<void> send_instructions(const std::vector<Insn>& instructions);
  Result<void> send_padding(const CodeMap& code);
  /// The hook files that calls name, each mapped once, and where, by their paths.
  Result<std::map<std::string, Vaddr>> send_hooks(const Subject& subject,
                                                  const Selection& selection);
  Result<Vaddr> send_hook(const HookFile& file, bool library);

  std::shared_ptr<BackendProcess> process_;
  std::unique_ptr<RpcClient> rpc_;
  std::optional<std::string> end_;  // how the backend ended, once that is known
};

}  // namespace punster
