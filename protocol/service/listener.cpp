#include "protocol/service/listener.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "protocol/service/log.h"
#include "protocol/service/session_process.h"
#include "protocol/service/signals.h"

namespace punster {
namespace {

using Clock = std::chrono::steady_clock;

Error cannot_listen(const std::string& path, int code) {
  return error("unwritable", path + ": cannot listen there: " + strerror(code));
}

/// A socket's name in the file system, removed with this object.
class ListeningSocket {
 public:
  static Result<ListeningSocket> create(const ListenOptions& options) {
    ListeningSocket listening;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (options.path.empty() || options.path.size() >= sizeof address.sun_path)
      return error("unwritable", options.path + ": a socket's path has 1 to 107 bytes");
    options.path.copy(address.sun_path, options.path.size());
    const auto* const name = reinterpret_cast<const sockaddr*>(&address);
    PUNSTER_TRY(remove_stale(options.path, name, sizeof address));
    listening.fd_ = OwnedFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Others need the right to write in order to connect; who is refused is decided by credentials.
    const mode_t before = ::umask(options.allowed.empty() ? 0177 : 0111);
    const bool bound = ::bind(listening.fd_.get(), name, sizeof address) == 0;
    const int code = errno;
    ::umask(before);
    if (!bound) return cannot_listen(options.path, code);
    listening.path_ = options.path;
    if (::listen(listening.fd_.get(), SOMAXCONN) != 0) return cannot_listen(options.path, errno);
    return listening;
  }
  ListeningSocket(ListeningSocket&& other) noexcept
      : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}
  ~ListeningSocket() { close(); }

  void close() {
    if (!path_.empty()) ::unlink(path_.c_str());
    path_.clear();
    fd_ = OwnedFd();
  }
  /// In a child: the name is the parent's to remove.
  void forget() {
    path_.clear();
    fd_ = OwnedFd();
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  ListeningSocket() = default;

  /// What a service that was killed left behind.
  static Result<void> remove_stale(const std::string& path, const sockaddr* name, socklen_t size) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return success();
    if (!S_ISSOCK(status.st_mode)) return error("unwritable", path + ": exists and is no socket");
    const OwnedFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(probe.get(), name, size) == 0 || errno != ECONNREFUSED)
      return error("in_use", path + ": another service listens there");
    ::unlink(path.c_str());
    return success();
  }

  OwnedFd fd_;
  std::string path_;
};

class Listener {
 public:
  Listener(const ListenOptions& options, ListeningSocket socket,
           const std::function<ServiceEnd(Connection&)>& serve)
      : options_(options), socket_(std::move(socket)), serve_(serve) {
    signals_ = ending_signals();
    sigaddset(&signals_, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &signals_, &unblocked_);
    signal_fd_ = OwnedFd(::signalfd(-1, &signals_, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  void run() {
    log_event(LogLevel::info, "listening", "listening on " + options_.path,
              {{"path", options_.path}});
    while (!stopping_ || !sessions_.empty()) {
      pollfd watched[] = {{signal_fd_.get(), POLLIN, 0}, {socket_.fd(), POLLIN, 0}};
      if (::poll(watched, stopping_ ? 1 : 2, patience()) < 0 && errno != EINTR) break;
      if (watched[0].revents) take_signals();
      if (!stopping_ && watched[1].revents) accept_one();
      reap();
      if (stopping_ && Clock::now() >= deadline_) press();
    }
    log_event(LogLevel::info, "stopped", "stopped");
  }

 private:
  struct Running {
    std::uint64_t number;
    Clock::time_point since;
  };

  /// Milliseconds until something must be done without being asked.
  [[nodiscard]] int patience() const {
    if (!stopping_) return -1;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, 60000));
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signal_fd_.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGCHLD || info.ssi_signo == SIGXCPU) continue;
      if (stopping_) {
        press();
        continue;
      }
      stopping_ = true;
      deadline_ = Clock::now() + options_.grace;
      socket_.close();
      log_event(LogLevel::info, "stopping",
                fmt::format("no more connections; {} sessions have {} s", sessions_.size(),
                            options_.grace.count()),
                {{"sessions", sessions_.size()}});
    }
  }

  /// Sessions that still run are interrupted; a moment later they are killed.
  void press() {
    for (const auto& [pid, running] : sessions_) ::kill(pid, pressed_ ? SIGKILL : SIGTERM);
    pressed_ = true;
    deadline_ = Clock::now() + std::chrono::seconds(5);
  }

  void accept_one() {
    OwnedFd client(::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      log_event(LogLevel::error, "cannot_accept", strerror(errno));
      ::usleep(100000);  // out of descriptors or memory: it will be tried again
      return;
    }
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return;
    const Peer peer{credentials.uid, credentials.pid};
    const bool welcome = peer.uid == ::geteuid() ||
                         std::find(options_.allowed.begin(), options_.allowed.end(), peer.uid) !=
                             options_.allowed.end();
    if (!welcome)
      return refuse(client, peer, error("not_allowed", "this service is another user's"));
    if (sessions_.size() >= options_.most_sessions)
      return refuse(
          client, peer,
          error("busy", "this service has as many sessions as it may have; try again later"));
    start(std::move(client), peer);
  }

  static void refuse(const OwnedFd& client, const Peer& peer, const Error& why) {
    turn_away(client.get(), why);
    log_event(LogLevel::warn, "refused", fmt::format("user {} refused: {}", peer.uid, why.message),
              {{"uid", peer.uid}, {"peer_pid", peer.pid}, {"kind", why.kind}});
  }

  void start(OwnedFd client, const Peer& peer) {
    const auto number = ++started_;
    const pid_t pid = ::fork();
    if (pid < 0) return refuse(client, peer, error("busy", "this service cannot start a session"));
    if (pid == 0) {
      socket_.forget();
      signal_fd_ = OwnedFd();
      ::sigprocmask(SIG_SETMASK, &unblocked_, nullptr);
      run_session(options_, peer, client.release(), number, serve_);
    }
    sessions_[pid] = {number, Clock::now()};
    log_event(LogLevel::info, "accepted",
              fmt::format("session {} began for process {} of user {}", number, peer.pid, peer.uid),
              {{"session", number}, {"pid", pid}, {"uid", peer.uid}, {"peer_pid", peer.pid}});
  }

  void reap() {
    int status = 0;
    rusage used{};
    for (pid_t pid; (pid = ::wait4(-1, &status, WNOHANG, &used)) > 0;) {
      const auto found = sessions_.find(pid);
      if (found == sessions_.end()) continue;
      const Running running = found->second;
      sessions_.erase(found);
      log_end(pid, running, status, used);
    }
  }

  static void log_end(pid_t pid, const Running& running, int status, const rusage& used) {
    const bool crashed = WIFSIGNALED(status);
    const std::chrono::duration<double> seconds = Clock::now() - running.since;
    nlohmann::json fields = {
        {"session", running.number},
        {"pid", pid},
        {"seconds", seconds.count()},
        {"cpu_seconds",
         static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
             static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6},
        {"peak_rss_bytes", used.ru_maxrss * 1024}};
    std::string how;
    if (crashed) {
      fields["signal"] = WTERMSIG(status);
      how = fmt::format("killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
      fields["status"] = WEXITSTATUS(status);
      how = fmt::format("status {}", WEXITSTATUS(status));
    }
    log_event(crashed ? LogLevel::error : LogLevel::info, crashed ? "crashed" : "ended",
              fmt::format("session {} ended: {}", running.number, how), std::move(fields));
  }

  const ListenOptions& options_;
  ListeningSocket socket_;
  const std::function<ServiceEnd(Connection&)>& serve_;
  sigset_t signals_{}, unblocked_{};
  OwnedFd signal_fd_;
  std::map<pid_t, Running> sessions_;
  std::uint64_t started_ = 0;
  bool stopping_ = false, pressed_ = false;
  Clock::time_point deadline_;
};

}  // namespace

Result<void> serve_connections(const ListenOptions& options,
                               const std::function<ServiceEnd(Connection&)>& serve) {
  if (options.root) {
    PUNSTER_TRY(SessionFiles::below(*options.root, nullptr));
  }
  PUNSTER_TRY(auto socket, ListeningSocket::create(options));
  Listener(options, std::move(socket), serve).run();
  return success();
}

}  // namespace punster
