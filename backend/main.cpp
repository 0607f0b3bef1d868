// punster-backend: reads requests on stdin, writes replies to stdout and its log to stderr; or
// listens on a Unix socket and does so for every client.

#include <cstdio>
#include <string>
#include <vector>

#include "backend/session/service.h"
#include "protocol/allocation.h"
#include "protocol/service/run_service.h"

namespace {

using namespace punster;

constexpr char help[] = R"(Usage: punster-backend [options]

Rewrites ELF files on behalf of a frontend: requests are read from standard
input, one JSON object per line. A client that opens with `initialize` is served
in JSON-RPC 2.0 with replies on standard output (see protocol/PROTOCOL.md);
everything else is read as E9Patch's dialect, which is not answered.

Options:
)";

constexpr char help_end[] = R"(  --help               prints this
  --version            prints the version

Exit status: 0 served to the end of the input; 1 the input was in E9Patch's
dialect and failed, the client vanished, or nobody can listen there; 2 wrong
usage; 130 interrupted.
)";

int fail(const Error& error) {
  const bool usage = error.kind == "usage";
  std::fprintf(stderr, "punster-backend: %s%s\n", error.message.c_str(),
               usage ? "; see punster-backend --help" : "");
  return usage ? 2 : 1;
}

Result<ListenOptions> parse(const std::vector<std::string>& arguments) {
  ListenOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    PUNSTER_TRY(const bool taken, take_listen_option(arguments, i, options));
    if (!taken) return error("usage", "unknown option '" + arguments[i] + "'");
  }
  return options;
}

Result<int> run(const std::vector<std::string>& arguments) {
  PUNSTER_TRY(const auto options, parse(arguments));
  return run_service("punster-backend", options,
                     [](Connection& connection) { return serve(connection); });
}

}  // namespace

int main(int argc, char** argv) {
  return_freed_arrays();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  for (const auto& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      std::printf("%s%s%s", help, listen_options_help, help_end);
      return 0;
    }
    if (argument == "--version") {
      std::puts("punster-backend " PUNSTER_VERSION);
      return 0;
    }
  }
  const auto status = run(arguments);
  return status.has_error() ? fail(status.error()) : status.value();
}
