// flags: -static
// The same without ld.so: the unwinder finds its tables through dl_iterate_phdr.
#include <cstdio>
#include <stdexcept>
#include <string>

struct Guard {
  const char* name;
  ~Guard() { std::printf("leaving %s\n", name); }
};
static int dive(int n) {
  Guard guard{n % 2 ? "odd" : "even"};
  if (n == 0) throw std::runtime_error("bottom");
  return dive(n - 1) + 1;
}
static void again(int n) try {
  dive(n);
} catch (const std::exception& e) {
  std::throw_with_nested(std::logic_error(std::string("at ") + std::to_string(n)));
}

int main() {
  for (int n = 0; n < 4; n++) try {
      again(n);
    } catch (const std::logic_error& outer) {
      std::printf("%s", outer.what());
      try { std::rethrow_if_nested(outer); } catch (const std::exception& inner) {
        std::printf(" because %s\n", inner.what());
      }
    }
  try { throw 7; } catch (...) {
    try { throw; } catch (int value) { std::printf("int %d\n", value); }
  }
  return 0;
}
