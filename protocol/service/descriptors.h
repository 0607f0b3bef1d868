// Open files that a client sends along a Unix socket (SCM_RIGHTS), numbered in order of arrival:
// the first is descriptor 0 of the connection. Messages name them by these numbers.

#pragma once

#include <mutex>
#include <vector>

#include "protocol/framing.h"
#include "protocol/result.h"

namespace punster {

/// A descriptor that is closed with its owner.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd();
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

class IdleClock;

/// Filled by the thread that reads, emptied by the one that works.
class ReceivedDescriptors : public ByteSource {
 public:
  /// `socket` is a Unix stream socket, not owned. `idle`, if not null, is told when something came.
  explicit ReceivedDescriptors(int socket, IdleClock* idle = nullptr)
      : socket_(socket), idle_(idle) {}

  /// recv() that keeps what descriptors come along. More than `most_waiting` unclaimed ones are
  /// closed at once: a client must not fill our table.
  ssize_t read(char* to, std::size_t size) override;

  /// Hands over descriptor `number`; it can be taken once. Error "no_descriptor" at `where`.
  Result<OwnedFd> take(std::uint64_t number, const std::string& where);

  static constexpr std::size_t most_waiting = 16;

 private:
  void add(OwnedFd fd);
  int socket_;
  IdleClock* idle_;
  std::mutex mutex_;
  std::vector<OwnedFd> received_;  // by number; empty once taken or refused
  std::size_t waiting_ = 0;
};

}  // namespace punster
