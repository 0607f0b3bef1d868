#include "protocol/service/idle_watch.h"

#include <poll.h>

#include <algorithm>

namespace punster {

void IdleClock::change(int work, int sending, Time now) {
  const std::lock_guard lock(mutex_);
  working_ += work;
  sending_ += sending;
  since_ = now;
}

std::optional<IdleClock::Duration> IdleClock::left(Time now) const {
  const std::lock_guard lock(mutex_);
  if (working_ > 0 && sending_ == 0) return std::nullopt;
  return std::max(Duration::zero(), since_ + limit_ - now);
}

IdleWatch::IdleWatch(const IdleClock& clock, std::function<void()> idle)
    : thread_([this, &clock, idle = std::move(idle)] { watch(clock, idle); }) {}

IdleWatch::~IdleWatch() {
  over_.wake();
  thread_.join();
}

void IdleWatch::watch(const IdleClock& clock, const std::function<void()>& idle) const {
  using std::chrono::milliseconds;
  for (;;) {
    const auto left = clock.left(std::chrono::steady_clock::now());
    if (left && *left == IdleClock::Duration::zero()) return idle();
    // While at work a whole limit is left at least, counted from the end of the work.
    const auto wait = std::chrono::ceil<milliseconds>(left.value_or(clock.limit()));
    pollfd over{over_.fd(), POLLIN, 0};
    if (::poll(&over, 1, static_cast<int>(std::min(wait, milliseconds(1 << 30)).count())) > 0)
      return;
  }
}

}  // namespace punster
