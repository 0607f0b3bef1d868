#include "protocol/service/descriptors.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/service/idle_watch.h"

namespace punster {

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

void ReceivedDescriptors::add(OwnedFd fd) {
  const std::lock_guard lock(mutex_);
  if (waiting_ == most_waiting) fd = OwnedFd();
  waiting_ += fd ? 1 : 0;
  received_.push_back(std::move(fd));
}

ssize_t ReceivedDescriptors::read(char* to, std::size_t size) {
  iovec bytes{to, size};
  alignas(cmsghdr) char control[CMSG_SPACE(most_waiting * sizeof(int))];
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const auto got = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  if (idle_) idle_->heard(std::chrono::steady_clock::now());
  for (auto* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; at + sizeof(int) <= part->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
      add(OwnedFd(fd));
    }
  }
  return got;
}

Result<OwnedFd> ReceivedDescriptors::take(std::uint64_t number, const std::string& where) {
  const std::lock_guard lock(mutex_);
  if (number >= received_.size() || !received_[number])
    return error_in("no_descriptor",
                    "descriptor " + std::to_string(number) +
                        " did not come with this connection, or was used already",
                    where);
  --waiting_;
  return std::move(received_[number]);
}

}  // namespace punster
