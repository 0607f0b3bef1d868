// punster-backend: reads requests on stdin, writes replies to stdout and its log to stderr.

#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string_view>
#include <thread>

#include "backend/session/service.h"
#include "protocol/allocation.h"

namespace {

constexpr char help[] = R"(Usage: punster-backend [options]

Rewrites ELF files on behalf of a frontend: requests are read from standard
input, one JSON object per line. A client that opens with `initialize` is served
in JSON-RPC 2.0 with replies on standard output (see protocol/PROTOCOL.md);
everything else is read as E9Patch's dialect, which is not answered.

Options:
  --log LEVEL   off, error, warn (default), info or debug; the log goes to
                standard error
  --help        prints this
  --version     prints the version

Exit status: 0 served to the end of the input; 1 the input was in E9Patch's
dialect and failed, or the client vanished; 2 wrong usage; 130 interrupted.
)";

int wrong_usage(const char* what, std::string_view argument) {
  std::fprintf(stderr, "punster-backend: %s '%.*s'; see punster-backend --help\n", what,
               static_cast<int>(argument.size()), argument.data());
  return 2;
}

bool set_log_level(std::string_view level) {
  for (const auto* known : {"off", "error", "warn", "info", "debug"})
    if (level == known) {
      spdlog::set_level(spdlog::level::from_str(known));
      return true;
    }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  punster::return_freed_arrays();
  spdlog::set_default_logger(spdlog::stderr_logger_mt("backend"));
  spdlog::set_pattern("punster-backend: %l: %v");
  spdlog::set_level(spdlog::level::warn);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(help, stdout);
      return 0;
    }
    if (argument == "--version") {
      std::puts("punster-backend " PUNSTER_VERSION);
      return 0;
    }
    if (argument.starts_with("--log=")) {
      if (!set_log_level(argument.substr(6)))
        return wrong_usage("unknown log level", argument.substr(6));
    } else if (argument == "--log") {
      if (++i == argc) return wrong_usage("a level is missing behind", argument);
      if (!set_log_level(argv[i])) return wrong_usage("unknown log level", argv[i]);
    } else {
      return wrong_usage("unknown option", argument);
    }
  }

  // Signals are taken by a thread of their own, so that an interrupted emit still cleans up after
  // itself.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  punster::ServiceStop stop;
  std::thread([&stop, signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    stop.interrupt();
    sigwait(&signals, &signal);  // who asks twice does not want to wait
    _exit(static_cast<int>(punster::ServiceEnd::interrupted));
  }).detach();

  const auto end = punster::serve(STDIN_FILENO, STDOUT_FILENO, stop);
  std::fflush(stdout);
  spdlog::shutdown();
  _exit(static_cast<int>(end));  // the signal thread may still look at `stop`
}
