// One client of a service: where its requests come from, where replies go, and what ends it.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "protocol/framing.h"
#include "protocol/service/recorder.h"
#include "protocol/service/session_files.h"

namespace punster {

/// Exit status of a session.
enum class ServiceEnd : int {
  done = 0,  ///< the stream ended (or `shutdown`); strict clients were told of failures in replies
  failed = 1,        ///< the dialect's only way to tell; or the client vanished
  interrupted = 130  ///< stopped by a signal
};

/// Lets another thread, or a signal, end a session that waits for input.
class ServiceStop {
 public:
  ServiceStop();
  ~ServiceStop();
  ServiceStop(const ServiceStop&) = delete;
  ServiceStop& operator=(const ServiceStop&) = delete;

  /// The session cancels what runs, drops what waits and ends with ServiceEnd::interrupted.
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

/// Watches the other side of `out` on a thread of its own: a socket that was closed (not only its
/// sending half, which means "no more requests"), a pipe that nobody reads any more. A regular file
/// never goes away.
class HangUpWatch {
 public:
  HangUpWatch(int out, std::function<void()> gone);
  ~HangUpWatch();
  HangUpWatch(const HangUpWatch&) = delete;
  HangUpWatch& operator=(const HangUpWatch&) = delete;

 private:
  struct Watcher;
  std::unique_ptr<Watcher> watcher_;
};

class IdleClock;

struct Connection {
  LineReader& lines;
  int out;  // not owned
  ServiceStop& stop;
  SessionFiles& files;
  Recorder* recorder = nullptr;  // null: nobody wants a transcript
  bool is_socket = false;
  IdleClock* idle = nullptr;  // null: it may be silent for ever
};

}  // namespace punster
