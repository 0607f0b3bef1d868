// One session of a listening service, in the process that was forked for it.

#pragma once

#include <functional>

#include "protocol/service/listener.h"

namespace punster {

struct Peer {
  uid_t uid = 0;
  pid_t pid = 0;
};

/// Applies the limits, serves, and ends the process. `socket` is ours alone.
[[noreturn]] void run_session(const ListenOptions& options, const Peer& peer, int socket,
                              std::uint64_t number,
                              const std::function<ServiceEnd(Connection&)>& serve);

/// Answers a connection that gets no session, without ever waiting for its reader.
void turn_away(int socket, const Error& why);

}  // namespace punster
