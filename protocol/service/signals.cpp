#include "protocol/service/signals.h"

#include <unistd.h>

#include <thread>

namespace punster {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGXCPU}) sigaddset(&set, signal);
  return set;
}

void stop_on_signals(ServiceStop& stop, std::function<void()> out_of_time) {
  const sigset_t signals = ending_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([&stop, signals, out_of_time = std::move(out_of_time)] {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal == SIGXCPU && out_of_time) out_of_time();
    stop.interrupt();
    sigwait(&signals, &signal);  // who asks twice does not want to wait
    _exit(static_cast<int>(ServiceEnd::interrupted));
  }).detach();
}

}  // namespace punster
