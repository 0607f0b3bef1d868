#include "protocol/service/session_process.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "protocol/rpc.h"
#include "protocol/service/idle_watch.h"
#include "protocol/service/log.h"
#include "protocol/service/signals.h"

namespace punster {
namespace {

void limit(__rlimit_resource what, std::uint64_t soft, std::uint64_t hard) {
  rlimit current{};
  ::getrlimit(what, &current);
  const rlimit wanted{std::min<rlim_t>(soft, current.rlim_max),
                      std::min<rlim_t>(hard, current.rlim_max)};
  ::setrlimit(what, &wanted);
}

void apply(const SessionLimits& limits) {
  limit(RLIMIT_DATA, limits.memory, limits.memory);
  limit(RLIMIT_FSIZE, limits.output_size, limits.output_size);
  limit(RLIMIT_NOFILE, limits.open_files, limits.open_files);
  // At the first limit the session is told and ends in order; at the second it is killed.
  limit(RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 2);
  limit(RLIMIT_CORE, 0, 0);
  ::signal(SIGXFSZ, SIG_IGN);  // the write fails instead, and its file is removed
}

/// What a session says when it cannot go on: written beforehand, since by then there may be no
/// memory to write it with. It begins with a line end, in case another line was just being sent.
class LastWords {
 public:
  LastWords(int socket, const Error& error)
      : socket_(socket), line_("\n" + dump_json(make_error_reply(nullptr, error)) + "\n") {}
  void say() const {
    [[maybe_unused]] const auto sent =
        ::send(socket_, line_.data(), line_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }

 private:
  int socket_;
  std::string line_;
};

const LastWords* out_of_memory_words = nullptr;

[[noreturn]] void out_of_memory() {
  out_of_memory_words->say();
  constexpr std::string_view text = "a session reached its memory limit\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  _exit(static_cast<int>(ServiceEnd::failed));
}

Result<SessionFiles> files_for(const ListenOptions& options, const Peer& peer,
                               ReceivedDescriptors& received) {
  if (peer.uid != ::geteuid()) return SessionFiles::none(&received);
  if (options.root) return SessionFiles::below(*options.root, &received);
  return SessionFiles::own(&received);
}

std::string describe(const SessionLimits& limits, const char* what) {
  if (what == std::string_view("memory"))
    return "the session needs more memory than its " + std::to_string(limits.memory >> 20) +
           " MiB; ask for a higher --memory";
  if (what == std::string_view("idle"))
    return "nothing came, and nothing was to do, for " + std::to_string(limits.idle_seconds) +
           " seconds; connect again, or ask for a higher --idle-seconds";
  return "the session used its " + std::to_string(limits.cpu_seconds) +
         " seconds of processor time; ask for a higher --cpu-seconds";
}

/// Who does not read would not let us finish: so the connection is shut as well.
void end_idle(const SessionLimits& limits, int socket, ServiceStop& stop) {
  log_event(LogLevel::warn, "idle", "a session was silent for too long");
  LastWords(socket, error("idle", describe(limits, "idle"))).say();
  stop.interrupt();
  ::shutdown(socket, SHUT_RDWR);
}

ServiceEnd serve_socket(const ListenOptions& options, const Peer& peer, int socket,
                        std::uint64_t number, ServiceStop& stop,
                        const std::function<ServiceEnd(Connection&)>& serve) {
  IdleClock idle(std::chrono::seconds(options.limits.idle_seconds),
                 std::chrono::steady_clock::now());
  ReceivedDescriptors received(socket, &idle);
  LineReader lines(socket, max_line_bytes, stop.fd(), &received);
  auto files = files_for(options, peer, received);
  if (files.has_error()) {
    turn_away(socket, files.error());
    return ServiceEnd::failed;
  }
  std::optional<Recorder> recorder;
  if (options.record) {
    auto created = Recorder::create(*options.record + "." + std::to_string(number));
    if (created.has_error())
      log_event(LogLevel::warn, "no_transcript", created.error().message);
    else
      recorder.emplace(std::move(created).value());
  }
  std::optional<IdleWatch> watch;
  if (options.limits.idle_seconds != 0)
    watch.emplace(idle, [&] { end_idle(options.limits, socket, stop); });
  Connection connection{lines, socket, stop, files.value(), recorder ? &*recorder : nullptr,
                        true,  &idle};
  return serve(connection);
}

}  // namespace

void run_session(const ListenOptions& options, const Peer& peer, int socket, std::uint64_t number,
                 const std::function<ServiceEnd(Connection&)>& serve) {
  LogSettings log = log_settings();
  log.session = number;
  set_log(log);
  apply(options.limits);
  const LastWords no_memory(socket, error("out_of_memory", describe(options.limits, "memory")));
  const LastWords no_time(socket, error("out_of_time", describe(options.limits, "time")));
  out_of_memory_words = &no_memory;
  std::set_new_handler(out_of_memory);
  ServiceStop stop;
  stop_on_signals(stop, [&] {
    log_event(LogLevel::warn, "out_of_time", "a session reached its limit of processor time");
    no_time.say();
  });
  const auto end = serve_socket(options, peer, socket, number, stop, serve);
  _exit(static_cast<int>(end));  // the thread that waits for signals still looks at `stop`
}

void turn_away(int socket, const Error& why) {
  LastWords(socket, why).say();
}

}  // namespace punster
