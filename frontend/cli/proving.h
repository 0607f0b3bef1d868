// The prover, told what the analysis knows about the original.

#pragma once

#include "frontend/cli/selection.h"
#include "frontend/verify/verify.h"
#include "protocol/messages.h"

namespace punster {

/// Proves `request.patched` against the subject, which is `request.original`. `doubt_is_code`:
/// bytes in doubt may have changed as well. Errors: verify()'s.
Result<VerifyReport> prove(const Subject& subject, VerifyRequest request,
                           bool doubt_is_code = false);

/// The figures, by the names that `punster verify --format json` and the method `verify` give them.
[[nodiscard]] Json figures(const VerifyReport& report);
/// The failures listed, with address, kind and message.
[[nodiscard]] Json listed_failures(const VerifyReport& report);

}  // namespace punster
