// flags: -no-pie -fno-pie
// Fixed load address: only targets above the image can be reached with a pun.
#include <stdio.h>

static int (*const table[])(const char*) = {puts, puts};
int main(int argc, char** argv) {
  (void)argv;
  for (int i = 0; i < 2; i++) table[i](i ? "second" : "first");
  printf("table at %p\n", (const void*)table);
  return argc - 1;
}
