// What is launched: uses libc, its own data by pointer and by table, and its arguments.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int twice(int n) { return 2 * n; }
static int negated(int n) { return -n; }
static int (*const table[])(int) = {twice, negated};
__attribute__((constructor)) static void prepare(void) { setenv("PREPARED", "yes", 1); }

int main(int argc, char **argv) {
  int sum = 0;
  for (int i = 0; i < 10; i++) sum += table[i & 1](i);
  printf("sum %d, %d arguments, last %.8s, prepared %s\n", sum, argc, argc > 1 ? argv[argc - 1] : "none",
         getenv("PREPARED"));
  return fflush(stdout) ? 1 : argc & 7;
}
