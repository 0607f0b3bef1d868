// The protocol's methods, bound to a session.

#pragma once

#include "backend/session/session.h"
#include "protocol/service/strict_service.h"

namespace punster {

/// A session of its own, whose files go through `files`, which outlives it.
std::unique_ptr<SessionMethods> backend_methods(ProgressSink progress, SessionFiles& files);

/// Opens what the request names through `files`; messages name it as the client does.
Result<BinaryReply> open_through(SessionFiles& files, Session& session,
                                 const BinaryRequest& request);
Result<Statistics> emit_through(SessionFiles& files, Session& session, const EmitRequest& request);

/// E9Patch's `reserve` gives its contents in the template language: makes bytes of them.
Result<ReserveRequest> with_contents(ReserveRequest request);

}  // namespace punster
