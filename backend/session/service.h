// The backend as a service: one session over one connection.
//
// Who opens with `initialize` is served in strict JSON-RPC 2.0, with replies. Everybody else is
// taken for E9Patch's tool: its dialect is read, nothing is answered, and the exit status tells
// (over a socket, which has none, a failure is answered with one error).

#pragma once

#include "protocol/service/connection.h"

namespace punster {

/// Serves requests until the stream ends.
ServiceEnd serve(Connection& connection);
/// Over a pair of descriptors, with the rights of this process.
ServiceEnd serve(int in, int out, ServiceStop& stop, Recorder* recorder = nullptr);

/// `first` is text read already.
ServiceEnd serve_dialect(Connection& connection, std::string first);

}  // namespace punster
