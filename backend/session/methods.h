// The protocol's methods, bound to a session.

#pragma once

#include "backend/session/session.h"
#include "protocol/rpc.h"

namespace punster {

/// Binds every method but `cancel`, `shutdown` and what else concerns the connection. `session`
/// outlives `dispatcher`.
void bind_methods(Dispatcher& dispatcher, Session& session);

/// E9Patch's `reserve` gives its contents in the template language: makes bytes of them.
Result<ReserveRequest> with_contents(ReserveRequest request);

/// What `initialize` answers. Error "unsupported_version" for clients older than we can speak to.
Result<InitializeReply> greet(const InitializeRequest& request);

}  // namespace punster
