// Many calls: recursion, virtual functions, small functions that are not inlined. About half a second.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

struct Shape {
  virtual ~Shape() = default;
  virtual std::uint64_t area(std::uint64_t k) const = 0;
};
struct Square : Shape {
  [[gnu::noinline]] std::uint64_t area(std::uint64_t k) const override { return k * k; }
};
struct Strip : Shape {
  [[gnu::noinline]] std::uint64_t area(std::uint64_t k) const override { return 3 * k + 1; }
};

[[gnu::noinline]] std::uint64_t fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

[[gnu::noinline]] std::uint64_t ackermann(std::uint64_t m, std::uint64_t n) {
  if (m == 0) return n + 1;
  return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

int main() {
  std::vector<std::unique_ptr<Shape>> shapes;
  for (int i = 0; i < 64; ++i)
    if (i % 3 == 0)
      shapes.push_back(std::make_unique<Square>());
    else
      shapes.push_back(std::make_unique<Strip>());
  std::uint64_t sum = 0;
  for (std::uint64_t k = 0; k < 120'000'000; ++k) sum += shapes[k & 63]->area(k & 1023);
  std::printf("%llu %llu %llu\n", static_cast<unsigned long long>(sum), static_cast<unsigned long long>(fib(38)),
              static_cast<unsigned long long>(ackermann(2, 2500)));
}
