#include "protocol/service/session_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/hex.h"

namespace punster {
namespace {

constexpr auto at_filename = "/params/filename";
constexpr auto at_descriptor = "/params/descriptor";

/// Valid in this process and in those it starts.
std::string path_of(const OwnedFd& fd) {
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd.get());
}

Error failure(const char* kind, const std::string& shown, int code, const char* where) {
  if (code == ENOSPC || code == EDQUOT) kind = "disk_full";
  if (code == EFBIG) kind = "too_large";
  return error_in(kind, shown + ": " + strerror(code), where);
}

/// Opens below `root`, and nowhere else.
Result<OwnedFd> open_below(const OwnedFd& root, const std::string& path, int flags,
                           const std::string& shown, const char* kind) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const auto fd = ::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how);
    if (fd >= 0) return OwnedFd(static_cast<int>(fd));
    if (errno == EXDEV)
      return error_in("not_allowed", shown + ": leads out of the folder this service works in",
                      at_filename);
    // EAGAIN: somebody renames things beside us, and the kernel cannot vouch for "..".
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return failure(kind, shown, errno, at_filename);
}

/// Copies what `from` holds to the beginning of `to`.
int copy_contents(int from, int to) {
  std::vector<char> piece(std::size_t{1} << 20);
  for (off_t at = 0;;) {
    const auto got = ::pread(from, piece.data(), piece.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    for (ssize_t done = 0; done < got;) {
      const auto put =
          ::pwrite(to, piece.data() + done, static_cast<std::size_t>(got - done), at + done);
      if (put < 0 && errno != EINTR) return errno;
      done += std::max<ssize_t>(put, 0);
    }
    at += got;
  }
}

OwnedFd memory_file() {
  return OwnedFd(::memfd_create("punster", MFD_CLOEXEC));
}

std::string unguessable_name() {
  std::uint8_t bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) std::memset(bytes, 0, sizeof bytes);
  return ".punster-" + to_hex(bytes);
}

}  // namespace

OutputPlace::~OutputPlace() {
  if (folder_) ::unlinkat(folder_.get(), draft_.c_str(), 0);
}

Result<void> OutputPlace::keep() {
  if (folder_) {
    // A rename replaces a symbolic link, it never follows it.
    const OwnedFd folder = std::move(folder_);
    if (::renameat(folder.get(), draft_.c_str(), folder.get(), leaf_.c_str()) == 0)
      return success();
    const int code = errno;
    ::unlinkat(folder.get(), draft_.c_str(), 0);
    return failure("unwritable", shown_, code, at_filename);
  }
  if (!target_) return success();
  int code = ::ftruncate(target_.get(), 0) == 0 ? 0 : errno;
  if (code == 0) code = copy_contents(memory_.get(), target_.get());
  if (code == 0) return success();
  [[maybe_unused]] const int emptied = ::ftruncate(target_.get(), 0);  // all or nothing
  return failure("unwritable", shown_, code, at_descriptor);
}

SessionFiles SessionFiles::own(ReceivedDescriptors* descriptors) {
  return {Paths::own, descriptors};
}

SessionFiles SessionFiles::none(ReceivedDescriptors* descriptors) {
  return {Paths::none, descriptors};
}

Result<SessionFiles> SessionFiles::below(const std::string& root,
                                         ReceivedDescriptors* descriptors) {
  SessionFiles files(Paths::below_root, descriptors);
  files.root_ = OwnedFd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!files.root_) return error("unreadable", root + ": " + strerror(errno));
  files.root_name_ = root;
  while (files.root_name_.size() > 1 && files.root_name_.back() == '/') files.root_name_.pop_back();
  return files;
}

Result<OwnedFd> SessionFiles::received(const FileName& name) {
  if (!descriptors_)
    return error_in("no_descriptor", "descriptors come over a Unix socket only", at_descriptor);
  return descriptors_->take(*name.descriptor, at_descriptor);
}

Result<void> SessionFiles::need_paths() const {
  if (paths_ != Paths::none) return success();
  return error_in("not_allowed",
                  "this service opens no files for another user: send an open descriptor",
                  at_filename);
}

// With the root's own name in front, absolute paths are fine as well.
Result<std::string> SessionFiles::relative(const std::string& path) const {
  if (!path.starts_with('/')) return path;
  const std::string prefix = root_name_ == "/" ? root_name_ : root_name_ + '/';
  if (path.starts_with(prefix)) return path.substr(prefix.size());
  return error_in("not_allowed", path + ": is not in the folder this service works in",
                  at_filename);
}

Result<std::string> SessionFiles::input(const FileName& name) {
  if (name.descriptor) {
    PUNSTER_TRY(const auto given, received(name));
    const std::string shown = shown_name(name);
    struct stat status {};
    if (::fstat(given.get(), &status) != 0)
      return failure("unreadable", shown, errno, at_descriptor);
    if (!S_ISREG(status.st_mode))
      return error_in("unreadable", shown + ": is not a regular file", at_descriptor);
    auto copy = memory_file();
    const int code = copy ? copy_contents(given.get(), copy.get()) : errno;
    if (code != 0) return failure("unreadable", shown, code, at_descriptor);
    ::fchmod(copy.get(), status.st_mode & 0777);
    held_.push_back(std::move(copy));
    return path_of(held_.back());
  }
  PUNSTER_TRY(need_paths());
  if (paths_ == Paths::own) return name.path;
  PUNSTER_TRY(const auto below, relative(name.path));
  PUNSTER_TRY(auto fd, open_below(root_, below, O_RDONLY | O_NONBLOCK, name.path, "unreadable"));
  held_.push_back(std::move(fd));
  return path_of(held_.back());
}

Result<std::string> SessionFiles::hold(std::string_view contents) {
  auto copy = memory_file();
  for (std::size_t done = 0; copy && done < contents.size();) {
    const auto put = ::write(copy.get(), contents.data() + done, contents.size() - done);
    if (put < 0) return failure("unreadable", "the bytes", errno, "/params/bytes");
    done += static_cast<std::size_t>(put);
  }
  if (!copy) return failure("unreadable", "the bytes", errno, "/params/bytes");
  ::fchmod(copy.get(), 0755);
  held_.push_back(std::move(copy));
  return path_of(held_.back());
}

Result<OutputPlace> SessionFiles::output(const FileName& name) {
  OutputPlace place;
  place.shown_ = shown_name(name);
  if (name.descriptor) {
    PUNSTER_TRY(place.target_, received(name));
    struct stat status {};
    if (::fstat(place.target_.get(), &status) != 0 || !S_ISREG(status.st_mode))
      return error_in("unwritable", place.shown_ + ": is not a regular file", at_descriptor);
    place.memory_ = memory_file();
    if (!place.memory_) return failure("unwritable", place.shown_, errno, at_descriptor);
    place.path_ = path_of(place.memory_);
    return place;
  }
  PUNSTER_TRY(need_paths());
  if (paths_ == Paths::own) {
    place.path_ = name.path;
    return place;
  }
  PUNSTER_TRY(const auto below, relative(name.path));
  const auto slash = below.rfind('/');
  place.leaf_ = slash == std::string::npos ? below : below.substr(slash + 1);
  if (place.leaf_.empty() || place.leaf_ == "." || place.leaf_ == "..")
    return error_in("unwritable", name.path + ": names no file", at_filename);
  const auto folder = slash == std::string::npos ? "." : below.substr(0, slash);
  PUNSTER_TRY(auto fd, open_below(root_, folder, O_PATH | O_DIRECTORY, name.path, "unwritable"));
  place.draft_ = unguessable_name();
  place.path_ = path_of(fd) + '/' + place.draft_;
  place.folder_ = std::move(fd);
  return place;
}

std::string shown_name(const FileName& name) {
  return name.descriptor ? "descriptor " + std::to_string(*name.descriptor) : name.path;
}

Error renamed(Error error, const std::string& from, const std::string& to) {
  if (const auto at = error.message.find(from); !from.empty() && at != std::string::npos)
    error.message.replace(at, from.size(), to);
  return error;
}

}  // namespace punster
