// The backend as a service: one session over a pair of descriptors.
//
// Who opens with `initialize` is served in strict JSON-RPC 2.0, with replies. Everybody else is
// taken for E9Patch's tool: its dialect is read, nothing is answered, and the exit status tells.

#pragma once

#include <atomic>

#include "protocol/framing.h"

namespace punster {

/// Exit status of a service.
enum class ServiceEnd : int {
  done = 0,  ///< the stream ended (or `shutdown`); strict clients were told of failures in replies
  failed = 1,        ///< the dialect's only way to tell; or the client vanished
  interrupted = 130  ///< stopped by a signal
};

/// Lets another thread, or a signal, end a service that waits for input.
class ServiceStop {
 public:
  ServiceStop();
  ~ServiceStop();
  ServiceStop(const ServiceStop&) = delete;
  ServiceStop& operator=(const ServiceStop&) = delete;

  /// The service cancels what runs, drops what waits and ends with ServiceEnd::interrupted.
  void interrupt() {
    interrupted_ = true;
    wake();
  }
  /// Nothing more is read.
  void wake();
  [[nodiscard]] bool interrupted() const { return interrupted_; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
  std::atomic<bool> interrupted_{false};
};

/// Serves requests from `in`, with replies on `out`, until the stream ends.
ServiceEnd serve(int in, int out, ServiceStop& stop);

/// `hello` is the first message, which was an `initialize`.
ServiceEnd serve_strictly(LineReader& lines, int out, ServiceStop& stop, nlohmann::json hello);
/// `first` is text read already.
ServiceEnd serve_dialect(LineReader& lines, ServiceStop& stop, std::string first);

}  // namespace punster
