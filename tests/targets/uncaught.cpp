// An exception that nobody catches ends in std::terminate, with its message on stderr.
#include <cstdio>
#include <stdexcept>

int main(int argc, char**) {
  std::puts("about to throw");
  std::fflush(stdout);
  if (argc == 1) throw std::out_of_range("nobody catches this");
  return 0;
}
