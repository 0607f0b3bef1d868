#include "frontend/cli/interruption.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "frontend/cli/options.h"

namespace punster {

namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

/// Held by the watching thread from the first clean-up to the end of the process.
std::recursive_mutex& cleaning() {
  static std::recursive_mutex mutex;
  return mutex;
}

}  // namespace

Uninterrupted::Uninterrupted() : lock_(cleaning()) {}

Interruption::Interruption() {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  if (signals_ < 0 ||
      stop_ < 0) {  // out of descriptors: signals end the process as they always did
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    return;
  }
  watcher_ = std::thread([this] { watch(); });
}

Interruption::~Interruption() {
  if (watcher_.joinable()) {
    ::eventfd_write(stop_, 1);
    watcher_.join();
  }
  if (signals_ >= 0) ::close(signals_);
  if (stop_ >= 0) ::close(stop_);
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void Interruption::on_interrupt(std::function<void()> clean_up) {
  const std::lock_guard lock(cleaning());
  clean_ups_.push_back(std::move(clean_up));
}

void Interruption::forget_since(std::size_t count) {
  const std::lock_guard lock(cleaning());
  clean_ups_.resize(count);
}

std::size_t Interruption::count() {
  const std::lock_guard lock(cleaning());
  return clean_ups_.size();
}

void Interruption::disarm() {
  const std::lock_guard lock(cleaning());
  armed_ = false;
}

void Interruption::watch() {
  pollfd watched[] = {{signals_, POLLIN, 0}, {stop_, POLLIN, 0}};
  while (::poll(watched, 2, -1) < 0 || watched[0].revents == 0)
    if (watched[1].revents != 0) return;
  signalfd_siginfo which{};
  if (::read(signals_, &which, sizeof which) != sizeof which) return;

  const std::lock_guard lock(cleaning());
  if (!armed_) return;
  for (auto clean_up = clean_ups_.rbegin(); clean_up != clean_ups_.rend(); ++clean_up)
    (*clean_up)();
  ::_exit(exit_status::interrupted);
}

}  // namespace punster
