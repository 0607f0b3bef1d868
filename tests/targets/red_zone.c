// Leaf functions that live in the 128 bytes below rsp.
#include <stdio.h>

__attribute__((noinline)) static long leaf(long a, long b) {
  volatile long local[15];
  for (int i = 0; i < 15; i++) local[i] = a * i + b;
  long sum = 0;
  for (int i = 14; i >= 0; i--) sum = sum * 31 + local[i];
  return sum;
}

int main(void) {
  long sum = 0;
  for (long i = 0; i < 1000; i++) sum ^= leaf(i, sum);
  printf("%lx\n", sum);
  return 0;
}
