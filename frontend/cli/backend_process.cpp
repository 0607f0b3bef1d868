#include "frontend/cli/backend_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "frontend/cli/child_process.h"

namespace punster {

namespace {

// Replies and notifications that the backend may have in flight before it waits for us. The default
// of 64 KiB would do; a MiB keeps it from ever waiting.
constexpr int pipe_bytes = 1 << 20;

// How long the backend may take to end after its input ended. It has nothing left to do by then.
constexpr auto patience = std::chrono::milliseconds(2000);

bool runnable(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

std::filesystem::path own_directory() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
}

struct Pipe {
  int read = -1, write = -1;
  [[nodiscard]] bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    (void)::fcntl(write, F_SETPIPE_SZ, pipe_bytes);  // refused beyond a user's quota; no harm
    return true;
  }
};

void close_fd(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

}  // namespace

Result<std::filesystem::path> find_backend(const std::optional<std::string>& asked) {
  if (asked) {
    if (runnable(*asked)) return std::filesystem::path(*asked);
    return error("no_backend", *asked + ": no such program (given by --backend)");
  }
  if (const char* named = std::getenv("PUNSTER_BACKEND"); named != nullptr && *named != '\0') {
    if (runnable(named)) return std::filesystem::path(named);
    return error("no_backend", std::string(named) + ": no such program (given by PUNSTER_BACKEND)");
  }
  const auto beside = own_directory() / "punster-backend";
  if (runnable(beside)) return beside;
  return error("no_backend",
               beside.string() + ": no such program (name it with --backend or PUNSTER_BACKEND)");
}

struct BackendProcess::Child {
  pid_t pid = -1;
  Pipe requests, replies;
  std::mutex mutex;  // guards the two below: a pid that was reaped may already be somebody else's
  bool reaped = false;
  int status = 0;

  /// Whether it has ended by now.
  bool ended() {
    const std::lock_guard lock(mutex);
    if (!reaped && ::waitpid(pid, &status, WNOHANG) == pid) reaped = true;
    return reaped;
  }
  void kill() {
    const std::lock_guard lock(mutex);
    if (reaped) return;
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    reaped = true;
  }
};

BackendProcess::BackendProcess(std::unique_ptr<Child> child) : child_(std::move(child)) {}
BackendProcess::BackendProcess(BackendProcess&&) noexcept = default;

Result<BackendProcess> BackendProcess::start(const std::filesystem::path& program) {
  auto child = std::make_unique<Child>();
  const auto cannot = [&](int code) {
    for (int* fd : {&child->requests.read, &child->requests.write, &child->replies.read,
                    &child->replies.write})
      close_fd(*fd);
    return error("no_backend", program.string() + ": cannot start: " + std::strerror(code));
  };
  if (!child->requests.open() || !child->replies.open()) return cannot(errno);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, child->requests.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, child->replies.write, STDOUT_FILENO);
  const int code = spawn({program.string()}, Lookup::path_only, files, child->pid);
  if (code != 0) return cannot(code);

  close_fd(child->requests.read);
  close_fd(child->replies.write);
  return BackendProcess(std::move(child));
}

BackendProcess::~BackendProcess() {
  if (child_ == nullptr) return;
  kill();
  close_fd(child_->requests.write);
  close_fd(child_->replies.read);
}

int BackendProcess::requests() const {
  return child_->requests.write;
}
int BackendProcess::replies() const {
  return child_->replies.read;
}
void BackendProcess::kill() {
  child_->kill();
}

std::string BackendProcess::finish() {
  close_fd(child_->requests.write);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!child_->ended() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  kill();
  return in_words(child_->status);
}

}  // namespace punster
