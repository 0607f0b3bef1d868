// flags: -std=c++20
// C++20 coroutines: resumption through stored code pointers.
#include <coroutine>
#include <cstdio>

struct Generator {
  struct promise_type {
    int current = 0;
    Generator get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(int v) { current = v; return {}; }
    void return_void() {}
    void unhandled_exception() { throw; }
  };
  std::coroutine_handle<promise_type> handle;
};
static Generator collatz(int n) {
  while (n != 1) {
    co_yield n;
    n = n % 2 ? 3 * n + 1 : n / 2;
  }
}

int main() {
  Generator g = collatz(27);
  int steps = 0, highest = 0;
  while (g.handle.resume(), !g.handle.done()) {
    steps++;
    if (g.handle.promise().current > highest) highest = g.handle.promise().current;
  }
  g.handle.destroy();
  std::printf("%d steps, highest %d\n", steps, highest);
  return 0;
}
