// A service on a Unix socket: many clients at once, a process for each.
//
// Why processes. What a session reads is hostile: a file made to break parsers, a client that sends
// nonsense. A process that crashes, loops or eats memory takes only itself along; limits are the
// kernel's (setrlimit); and what it held is given back whatever happened. The listener itself reads
// nothing but the peer's credentials, has one thread (so that fork is safe), and only starts,
// counts and reaps sessions.

#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "protocol/service/connection.h"
#include "protocol/service/log.h"

namespace punster {

/// Of one session. `cpu_seconds` is processor time; `idle_seconds` is that in which nothing comes
/// and nothing is worked on, 0 for ever.
struct SessionLimits {
  std::uint64_t memory = std::uint64_t{4} << 30;       // bytes of heap, stacks and the like
  std::uint64_t output_size = std::uint64_t{4} << 30;  // bytes of any file written
  std::uint64_t cpu_seconds = 3600;
  std::uint64_t idle_seconds = 3600;
  std::uint64_t open_files = 64;
};

struct ListenOptions {
  std::string path;                   // of the socket; "": none is wanted
  std::vector<uid_t> allowed;         // besides the owner; they get descriptors only
  std::optional<std::string> root;    // paths stay below it
  std::optional<std::string> record;  // transcripts: this and the session's number
  std::uint64_t most_sessions = 512;
  std::chrono::seconds grace{30};  // that sessions have for finishing after SIGTERM
  SessionLimits limits;
  std::optional<LogLevel> log_level;
  std::optional<bool> log_json;
};

/// Takes the option at `arguments[i]` if it is one of a service's (--listen, --log, ...), with its
/// value, and moves `i` to the last word taken. False: it is not. Error "usage".
Result<bool> take_listen_option(const std::vector<std::string>& arguments, std::size_t& i,
                                ListenOptions& options);
/// Their help, for the end of a program's own.
extern const char listen_options_help[];

/// Serves connections until SIGTERM, SIGINT or SIGHUP: then no more are accepted, the socket is
/// removed, and sessions have `grace` to finish; a second signal interrupts them at once. Each
/// connection is handed to `serve` in a process of its own. Precondition: no threads were started.
/// Errors: "unwritable" when there can be no socket, "in_use" when there is one that answers.
Result<void> serve_connections(const ListenOptions& options,
                               const std::function<ServiceEnd(Connection&)>& serve);

}  // namespace punster
