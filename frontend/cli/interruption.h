// Ctrl-C, SIGTERM and SIGHUP, turned from "anything may be half done" into one orderly ending.
//
// A signal handler may call next to nothing, and a main thread that sits in a solver or in write()
// may not look at a flag for seconds. So the signals are blocked in every thread and one thread of
// ours waits for them: there, ordinary code runs the clean-ups (kill the backend, remove what was
// begun, write the statistics) and ends the process with status 130. The main thread runs on
// meanwhile, and would begin what was just removed: each step that makes a file, a folder or a link
// is Uninterrupted.

#pragma once

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace punster {

/// While one lives, no clean-up begins; where they have begun, making one does not return: the
/// process is about to end. May be nested, also by clean-ups.
class Uninterrupted {
 public:
  Uninterrupted();

 private:
  const std::lock_guard<std::recursive_mutex> lock_;
};

class Interruption {
 public:
  /// Blocks the signals in this thread and all that it starts later. One object per process.
  Interruption();
  /// Stops watching and unblocks.
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  /// Adds a clean-up, run last to first on the watching thread while the others still run. It must
  /// not wait for them. What it touches must outlive this object or guard itself.
  void on_interrupt(std::function<void()> clean_up);

  /// Drops the clean-ups that were added since there were `count`. When they have begun already it
  /// does not return: the process is about to end.
  void forget_since(std::size_t count);
  [[nodiscard]] std::size_t count();

  /// From here on a signal changes nothing any more: the job is done and only its report is
  /// missing. When clean-ups have begun already it does not return: the process is about to end.
  void disarm();

 private:
  void watch();
  int signals_ = -1, stop_ = -1;
  bool armed_ = true;
  std::vector<std::function<void()>> clean_ups_;
  std::thread watcher_;
};

}  // namespace punster
