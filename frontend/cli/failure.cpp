#include "frontend/cli/failure.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "frontend/cli/options.h"

namespace punster {

void print_failure(const Error& error) {
  std::fprintf(stderr, "punster: %s\n", error.message.c_str());
}

int status_of(const Error& error) {
  for (const char* kind : {"bad_expression", "bad_action", "bad_evidence", "usage"})
    if (error.kind == kind) return exit_status::usage;
  return exit_status::failed;
}

int fail(const Error& error) {
  print_failure(error);
  return status_of(error);
}

int finish_stdout(int status) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  std::fprintf(stderr, "punster: standard output: %s\n",
               errno != 0 ? std::strerror(errno) : "not everything could be written");
  return exit_status::failed;
}

}  // namespace punster
