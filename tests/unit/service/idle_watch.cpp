// When a session counts as idle.

#include "protocol/service/idle_watch.h"

#include <atomic>
#include <catch2/catch.hpp>

using namespace punster;
using std::chrono::hours;
using std::chrono::seconds;

TEST_CASE("a session is idle once nothing came for as long as the limit", "[idle_watch]") {
  const IdleClock::Time start{};
  IdleClock clock(seconds(5), start);
  CHECK(clock.left(start + seconds(2)) == seconds(3));
  clock.heard(start + seconds(2));
  CHECK(clock.left(start + seconds(6)) == seconds(1));
  CHECK(clock.left(start + hours(1)) == seconds(0));
}

TEST_CASE("who works is not idle, and has the whole limit afterwards", "[idle_watch]") {
  const IdleClock::Time start{};
  IdleClock clock(seconds(5), start);
  clock.work_begins(start + seconds(1));
  CHECK(clock.left(start + hours(1)) == std::nullopt);
  clock.work_ends(start + hours(1));
  CHECK(clock.left(start + hours(1)) == seconds(5));
}

TEST_CASE("work that waits for its reader is no work", "[idle_watch]") {
  const IdleClock::Time start{};
  IdleClock clock(seconds(5), start);
  clock.work_begins(start);
  clock.sending_begins(start + seconds(1));
  CHECK(clock.left(start + seconds(3)) == seconds(3));
  clock.sending_ends(start + seconds(3));
  CHECK(clock.left(start + seconds(20)) == std::nullopt);
}

TEST_CASE("the watch calls once, or never when it is over before", "[idle_watch]") {
  std::atomic<int> calls{0};
  IdleClock soon(std::chrono::milliseconds(1), std::chrono::steady_clock::now());
  {
    const IdleWatch watch(soon, [&] { ++calls; });
    while (calls == 0) std::this_thread::yield();
  }
  CHECK(calls == 1);
  IdleClock late(hours(1), std::chrono::steady_clock::now());
  {
    const IdleWatch watch(late, [&] { ++calls; });
  }
  CHECK(calls == 1);
}
