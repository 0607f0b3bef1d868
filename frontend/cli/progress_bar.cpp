#include "frontend/cli/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace punster {

namespace {
constexpr unsigned cells = 40;
constexpr auto pause = std::chrono::milliseconds(100);
}  // namespace

// The first bar comes after a moment: most work is done by then, and nothing flickers.
ProgressBar::ProgressBar()
    : terminal_(::isatty(STDERR_FILENO) == 1),
      next_draw_(std::chrono::steady_clock::now() + 2 * pause) {}

void ProgressBar::show(std::string_view phase, std::uint64_t done, std::uint64_t total) {
  if (!terminal_) return;
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now < next_draw_) return;
  next_draw_ = now + pause;
  visible_ = true;
  const double part =
      total == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto full = static_cast<unsigned>(part * cells);
  const std::string bar = std::string(full, '#') + std::string(cells - full, ' ');
  std::fprintf(stderr, "\r\033[K%-9.*s [%s] %3.0f %%", static_cast<int>(phase.size()), phase.data(),
               bar.c_str(), part * 100);
}

void ProgressBar::clear() {
  const std::lock_guard lock(mutex_);
  if (visible_) std::fputs("\r\033[K", stderr);
  visible_ = false;
}

}  // namespace punster
