// flags: -pthread
// Exceptions thrown in threads, futures, thread_local destructors.
#include <cstdio>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

static std::atomic<int> destroyed;
struct Counted { int value = 0; ~Counted() { destroyed++; } };
static thread_local Counted local;

static int risky(int n) {
  local.value += n;
  if (n % 3 == 0) throw std::invalid_argument("multiple of three");
  return n * n + local.value;
}

int main() {
  std::vector<std::future<int>> results;
  for (int i = 1; i < 13; i++) results.push_back(std::async(std::launch::async, risky, i));
  int sum = 0, thrown = 0;
  for (auto& r : results) try { sum += r.get(); } catch (const std::invalid_argument&) { thrown++; }
  std::thread([] { local.value = 1; }).join();
  std::printf("sum %d thrown %d destroyed %d\n", sum, thrown, destroyed.load() > 0);
  return 0;
}
