// One rewriting session: what a client said so far, and the pipeline that turns it into a file.

#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "protocol/messages.h"
#include "protocol/result.h"
#include "protocol/service/strict_service.h"

namespace punster {

/// Not thread-safe, except cancel(). Calls come in the order: open, then anything, then plan or
/// emit. Every error leaves the session as it was before the call.
class Session {
 public:
  explicit Session(ProgressSink progress);
  ~Session();
  Session(Session&&) noexcept;

  Result<BinaryReply> open(const BinaryRequest&);
  Result<void> set_options(const OptionsRequest&);
  Result<void> define_trampoline(const TrampolineRequest&);
  /// Known instructions; order and repetition do not matter, overlap is an error at its address.
  Result<void> add_instructions(const InstructionsRequest&);
  /// Bytes that are never executed and never read as data: the solver may overwrite them.
  Result<void> add_padding(const PaddingRequest&);
  /// A site. Its instruction must be known by the time of plan() or emit().
  Result<void> add_patches(const PatchesRequest&);
  Result<ReserveReply> reserve(const ReserveRequest&);
  Result<CountersReply> use_counters(const CountersRequest&);

  /// Solves without writing.
  Result<Statistics> plan();
  /// Solves (unless planned already and nothing changed) and writes.
  Result<Statistics> emit(const EmitRequest&);
  /// Results of the last plan or emit, `from` the first site's index in address order.
  Result<ResultsReply> results(const ResultsRequest&) const;
  Result<ExplainReply> explain(const ExplainRequest&);
  [[nodiscard]] Statistics statistics() const;

  /// Makes a running plan() or emit() return the error "cancelled" soon. Any thread.
  void cancel();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace punster
