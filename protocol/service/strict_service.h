// JSON-RPC 2.0 over one connection, for any set of methods: both programs serve with it.

#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "protocol/rpc.h"
#include "protocol/service/connection.h"

namespace punster {

/// Called on the session's working thread; phases are those of PROTOCOL.md.
using ProgressSink =
    std::function<void(std::string_view phase, std::uint64_t done, std::uint64_t total)>;

/// What one session can do, beside the methods of the connection itself (`cancel`, `shutdown`).
class SessionMethods {
 public:
  virtual ~SessionMethods() = default;
  /// Binds `initialize` and everything else. Handlers run on the working thread, one at a time.
  virtual void bind(Dispatcher& dispatcher) = 0;
  /// Whether a cancel ends this method.
  [[nodiscard]] virtual bool is_job(std::string_view method) const = 0;
  /// Makes what runs return the error "cancelled" soon. Any thread.
  virtual void cancel() = 0;
};

using MakeMethods = std::function<std::unique_ptr<SessionMethods>(ProgressSink)>;

/// Serves until the stream ends. `hello` is the first message, which was an `initialize`.
ServiceEnd serve_strictly(Connection& connection, Json hello, const MakeMethods& make);

/// Serves a connection on which nothing but the strict language is spoken: whatever else opens it
/// is answered with an error.
ServiceEnd serve_requests(Connection& connection, const MakeMethods& make);

/// `initialize`'s answer for what every service has in common; capabilities and limits of its own
/// are added by the caller. Error "unsupported_version" for clients older than we can speak to.
Result<InitializeReply> greet(const InitializeRequest& request, std::string name);

/// Whether `line` opens the strict language, and the message in it.
[[nodiscard]] std::optional<Json> as_hello(std::string_view line);

}  // namespace punster
