// A program that does not want to run: what the README flips.
#include <stdio.h>
#include <string.h>

// The key is the reverse of the name. Nobody has such a key.
__attribute__((noinline)) int licence_is_valid(const char* name, const char* key) {
  size_t length = strlen(name);
  if (strlen(key) != length) return 0;
  for (size_t i = 0; i < length; ++i)
    if (key[i] != name[length - 1 - i]) return 0;
  return 1;
}

int main(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "nobody";
  const char* key = argc > 2 ? argv[2] : "";
  if (!licence_is_valid(name, key)) {
    puts("no licence");
    return 1;
  }
  printf("welcome, %s\n", name);
  return 0;
}

// What a vendor's test build might contain, and jump() can be pointed at.
__attribute__((noinline, used)) int always_valid(void) { return 1; }
