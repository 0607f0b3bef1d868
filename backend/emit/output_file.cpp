#include "backend/emit/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace punster {
namespace {

// Two rewrites into one directory, or two into one file, must not meet.
std::filesystem::path temporary_name(const std::filesystem::path& path, unsigned attempt) {
  std::string name = path.filename().string();
  name.insert(0, 1, '.').append(".punster-").append(std::to_string(getpid())).append(1, '-');
  return path.parent_path() / name.append(std::to_string(attempt));
}

// Where a symbolic link leads, even to nothing yet. A circle is left for open() to find.
std::filesystem::path behind_links(std::filesystem::path path) {
  std::error_code code;
  for (unsigned i = 0; i < 40 && std::filesystem::is_symlink(path, code); ++i)
    path = path.parent_path() / std::filesystem::read_symlink(path, code);
  return path;
}

constexpr unsigned attempts = 100;

// An open file that has no name, reached by /proc/PID/fd/N (a client's memory file, say): there is
// no place beside it, so it is written as it is. -1: `path` is something else.
int open_nameless(const std::filesystem::path& path) {
  if (!path.native().starts_with("/proc/")) return -1;
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  struct stat status {};
  if (fd < 0 || (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0))
    return fd;
  close(fd);
  return -1;
}

}  // namespace

Error OutputFile::failure(int code) const {
  const auto reason = std::generic_category().message(code);
  if (code == EFBIG)
    return error("too_large",
                 path_.string() + ": larger than files may get here; nothing was written");
  if (code == ENOSPC || code == EDQUOT)
    return error("disk_full", path_.string() + ": " + reason + "; nothing was written");
  return error("unwritable", path_.string() + ": " + reason);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      nameless_(other.nameless_) {}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<OutputFile> OutputFile::create(const std::filesystem::path& path) {
  OutputFile file;
  file.fd_ = open_nameless(path);
  file.nameless_ = file.fd_ >= 0;
  if (file.nameless_) {
    file.path_ = path;
    PUNSTER_TRY(file.resize(Bytes{0}));
    return file;
  }
  file.path_ = behind_links(path);
  struct stat status {};
  if (stat(file.path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return error("unwritable", path.string() + ": exists and is not a regular file");

  auto directory = file.path_.parent_path();
  if (directory.empty()) directory = ".";
  file.fd_ = open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file.fd_ >= 0) return file;
  // Not every file system has O_TMPFILE, and each refuses it with an errno of its own.
  for (unsigned i = 0; i < attempts; ++i) {
    const auto name = temporary_name(file.path_, i);
    file.fd_ = open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (file.fd_ >= 0) {
      file.temporary_ = name;
      return file;
    }
    if (errno != EEXIST) break;
  }
  return file.failure(errno);
}

Result<void> OutputFile::write(FileOffset at, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const auto written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at.value));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    at = at + Bytes{static_cast<std::uint64_t>(written)};
  }
  return success();
}

Result<void> OutputFile::resize(Bytes size) {
  if (ftruncate(fd_, static_cast<off_t>(size.value)) != 0) return failure(errno);
  return success();
}

Result<void> OutputFile::commit(const std::filesystem::path& original) {
  struct stat status {};
  if (stat(original.c_str(), &status) != 0)
    return error("unreadable", original.string() + ": " + std::generic_category().message(errno));
  mode_t mode = status.st_mode & 07777;
  // Somebody else's set-user-ID program must not become ours with that bit.
  if (fchown(fd_, status.st_uid, status.st_gid) != 0) mode &= 0777;
  if (fchmod(fd_, mode) != 0) return failure(errno);
  if (nameless_) return success();
  if (temporary_.empty()) {
    const auto self = "/proc/self/fd/" + std::to_string(fd_);
    for (unsigned i = 0; temporary_.empty(); ++i) {
      const auto name = temporary_name(path_, i);
      if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0)
        temporary_ = name;
      else if (errno != EEXIST || i == attempts)
        return failure(errno);
    }
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return failure(errno);
  temporary_.clear();
  // Network file systems report a full disk only here.
  if (close(std::exchange(fd_, -1)) != 0) return failure(errno);
  return success();
}

}  // namespace punster
