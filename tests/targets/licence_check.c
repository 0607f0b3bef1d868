// Refuses to run without the right key: what `bytes(...)` and `jump(...)` are tried on.
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) int licence_is_valid(const char* key) {
  unsigned sum = 0;
  for (size_t i = 0; i < strlen(key); i++) sum = sum * 131 + (unsigned char)key[i];
  return sum == 0xc0ffee;
}

__attribute__((noinline)) int always_true(void) { return 1; }

int main(int argc, char** argv) {
  const char* key = argc > 1 ? argv[1] : "";
  if (!licence_is_valid(key)) {
    puts("no licence");
    return 1;
  }
  puts("welcome");
  return always_true() ? 0 : 2;
}
