#include "protocol/service/connection.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace punster {

ServiceStop::ServiceStop() : fd_(eventfd(0, EFD_CLOEXEC)) {}

ServiceStop::~ServiceStop() {
  if (fd_ >= 0) close(fd_);
}

void ServiceStop::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
}

struct HangUpWatch::Watcher {
  ServiceStop over;
  std::thread thread;

  void watch(int out, const std::function<void()>& gone) const {
    for (;;) {
      // No events wanted: hang-ups and errors are reported all the same.
      pollfd watched[] = {{out, 0, 0}, {over.fd(), POLLIN, 0}};
      if (::poll(watched, 2, -1) < 0) {
        if (errno == EINTR) continue;
        return;
      }
      if (watched[1].revents) return;
      if (watched[0].revents) {
        if ((watched[0].revents & POLLNVAL) == 0) gone();
        return;
      }
    }
  }
};

HangUpWatch::HangUpWatch(int out, std::function<void()> gone)
    : watcher_(std::make_unique<Watcher>()) {
  watcher_->thread = std::thread(
      [watcher = watcher_.get(), out, gone = std::move(gone)] { watcher->watch(out, gone); });
}

HangUpWatch::~HangUpWatch() {
  watcher_->over.wake();
  watcher_->thread.join();
}

}  // namespace punster
