// A bar on stderr, when that is a terminal, for work that takes longer than a glance.

#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

namespace punster {

/// Any thread may call show(). Draws at most ten times a second.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::string_view phase, std::uint64_t done, std::uint64_t total);
  /// show(), to be handed to work that reports its progress. Not longer than this object lives.
  [[nodiscard]] auto sink() {
    return [this](std::string_view phase, std::uint64_t done, std::uint64_t total) {
      show(phase, done, total);
    };
  }
  /// Takes the bar off the screen, so that other lines may be printed.
  void clear();

 private:
  std::mutex mutex_;
  bool terminal_, visible_ = false;
  std::chrono::steady_clock::time_point next_draw_;
};

}  // namespace punster
