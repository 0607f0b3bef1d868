// Requests on their way from the thread that reads to the thread that works.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "protocol/result.h"

namespace punster {

/// One line from the client: a message, or why there is none. `number` counts from 1.
struct Incoming {
  std::uint64_t number = 0;
  Result<nlohmann::json> message;
};

/// First in, first out, bounded: a client that sends faster than we work is slowed down by its full
/// pipe, not served out of our memory.
class RequestQueue {
 public:
  /// Waits for room. False when the queue is closed: the message is dropped.
  bool push(Incoming incoming) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return waiting_.size() < capacity || closed_; });
    if (closed_) return false;
    waiting_.push_back(std::move(incoming));
    work_.notify_one();
    return true;
  }
  /// Waits for a message. Nothing when the queue is closed and empty.
  std::optional<Incoming> pop() {
    std::unique_lock lock(mutex_);
    work_.wait(lock, [this] { return !waiting_.empty() || closed_; });
    if (waiting_.empty()) return std::nullopt;
    Incoming incoming = std::move(waiting_.front());
    waiting_.pop_front();
    room_.notify_one();
    return incoming;
  }
  /// No more messages will come; those that wait are still served unless `drop` is set. Whether any
  /// was dropped.
  bool close(bool drop) {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    const bool dropped = drop && !waiting_.empty();
    if (drop) waiting_.clear();
    work_.notify_all();
    room_.notify_all();
    return dropped;
  }

  /// A parsed batch of 16,384 patches takes half a megabyte or so; sixteen keep both threads busy.
  static constexpr std::size_t capacity = 16;

 private:
  std::mutex mutex_;
  std::condition_variable work_, room_;
  std::deque<Incoming> waiting_;
  bool closed_ = false;
};

}  // namespace punster
