// Signals that end a session in order.

#pragma once

#include <csignal>

#include "protocol/service/connection.h"

namespace punster {

/// SIGINT, SIGTERM, SIGHUP, and SIGXCPU for a session that has used up its time.
[[nodiscard]] sigset_t ending_signals();

/// Blocks them in this thread and those it starts, and lets a thread of its own wait for them: the
/// first interrupts the session, so that it cleans up after itself; a second ends the process.
/// `stop` outlives the process's last signal.
void stop_on_signals(ServiceStop& stop, std::function<void()> out_of_time = nullptr);

}  // namespace punster
