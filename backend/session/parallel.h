// Splits a loop over threads without changing its result: each index is visited once, and what is
// written goes to that index's own place.

#pragma once

#include <algorithm>
#include <cstddef>
#include <thread>
#include <vector>

namespace punster {

/// Calls `body(first, last)` for consecutive chunks of [0, count), on up to `jobs` threads.
template <typename Body>
void for_chunks(std::size_t count, unsigned jobs, const Body& body) {
  const std::size_t threads = std::clamp<std::size_t>(jobs, 1, count / 4096 + 1);
  std::vector<std::thread> pool;
  for (std::size_t t = 1; t < threads; ++t)
    pool.emplace_back([&, t] { body(count * t / threads, count * (t + 1) / threads); });
  body(0, count / threads);
  for (auto& thread : pool) thread.join();
}

}  // namespace punster
