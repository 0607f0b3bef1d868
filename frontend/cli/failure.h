// How a subcommand that cannot go on says so: one line on stderr, and the exit status.

#pragma once

#include "protocol/result.h"

namespace punster {

/// Prints "punster: FILE: what (way out)".
void print_failure(const Error& error);

/// 2 for faults in match and action expressions and other misuse, else 1.
[[nodiscard]] int status_of(const Error& error);

/// Prints and returns the status.
int fail(const Error& error);

/// Flushes stdout. Returns `status`, or 1 after saying why when not all of the data could be written.
[[nodiscard]] int finish_stdout(int status);

}  // namespace punster
