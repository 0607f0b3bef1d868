// Ends a session that nobody has any use for: no byte came and nothing was worked on for a while.
//
// A client may think as long as it likes, but one that is gone without closing, that never says
// anything, or that does not read its answers, holds one of the service's sessions and its memory.
// Silence alone is no measure, since a client is silent while it waits for a plan of an hour; nor
// is work, since a session that writes to a client who does not read seems to be at work for ever.
// So: silent, and either not working or stuck in a write.

#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "protocol/service/connection.h"

namespace punster {

/// The measure by itself, without a clock of its own. Threads may share one.
class IdleClock {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  IdleClock(Duration limit, Time now) : limit_(limit), since_(now) {}

  void heard(Time now) { change(0, 0, now); }
  void work_begins(Time now) { change(+1, 0, now); }
  void work_ends(Time now) { change(-1, 0, now); }
  void sending_begins(Time now) { change(0, +1, now); }
  void sending_ends(Time now) { change(0, -1, now); }

  /// How long until the limit, if nothing happens; zero when it is reached; nothing while at work.
  [[nodiscard]] std::optional<Duration> left(Time now) const;
  [[nodiscard]] Duration limit() const { return limit_; }

 private:
  void change(int work, int sending, Time now);
  const Duration limit_;
  mutable std::mutex mutex_;
  Time since_;
  int working_ = 0, sending_ = 0;
};

/// Looks at the clock on a thread of its own, and calls `idle` once, there.
class IdleWatch {
 public:
  IdleWatch(const IdleClock& clock, std::function<void()> idle);
  ~IdleWatch();
  IdleWatch(const IdleWatch&) = delete;
  IdleWatch& operator=(const IdleWatch&) = delete;

 private:
  void watch(const IdleClock& clock, const std::function<void()>& idle) const;
  ServiceStop over_;
  std::thread thread_;
};

/// Tells `clock`, which may be null, for as long as it lives.
template <void (IdleClock::*Begin)(IdleClock::Time), void (IdleClock::*End)(IdleClock::Time)>
class IdleMark {
 public:
  explicit IdleMark(IdleClock* clock) : clock_(clock) { tell(Begin); }
  ~IdleMark() { tell(End); }
  IdleMark(const IdleMark&) = delete;
  IdleMark& operator=(const IdleMark&) = delete;

 private:
  void tell(void (IdleClock::*what)(IdleClock::Time)) const {
    if (clock_) (clock_->*what)(std::chrono::steady_clock::now());
  }
  IdleClock* clock_;
};
using AtWork = IdleMark<&IdleClock::work_begins, &IdleClock::work_ends>;
using Sending = IdleMark<&IdleClock::sending_begins, &IdleClock::sending_ends>;

}  // namespace punster
