// What both programs do with a service's command line: one session over standard streams, or a
// socket.

#pragma once

#include "protocol/service/listener.h"
#include "protocol/service/log.h"
#include "protocol/service/strict_service.h"

namespace punster {

/// Serves as `options` say, until there is nothing left to serve. The exit status; does not return
/// from a session over standard streams, whose thread for signals cannot be joined. Precondition:
/// no threads were started. Errors: those of serve_connections(), and of the transcript.
Result<int> run_service(const std::string& program, const ListenOptions& options,
                        const std::function<ServiceEnd(Connection&)>& serve);

}  // namespace punster
