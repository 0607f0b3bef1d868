// flags: -shared -fPIC
// run: plugin_host {}
// A patched shared object that throws and catches.
#include <stdexcept>

static long inner(long n) {
  if (n > 0) throw std::range_error("positive");
  return n;
}
extern "C" long work(long n) {
  long caught = 0;
  for (long i = -2; i < n; i++) try { caught += inner(i); } catch (const std::exception&) { caught += 100; }
  return caught;
}
