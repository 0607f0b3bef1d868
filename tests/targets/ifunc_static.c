// flags: -static
// IFUNC without ld.so: __libc_start_main applies the IRELATIVE relocations.
#include <stdio.h>

static int plain(int x) { return x + 1; }
static int doubled(int x) { return x * 2; }
static int (*pick(void))(int) {
  __builtin_cpu_init();
  int votes = 0;
  for (int i = 0; i < 10; i++) votes += i & 1 ? 2 : -1;
  return votes > 0 ? doubled : plain;
}
int chosen(int) __attribute__((ifunc("pick")));
static int (*volatile through_pointer)(int) = chosen;

int main(void) {
  printf("%d %d\n", chosen(21), through_pointer(4));
  return 0;
}
