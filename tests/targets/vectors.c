// flags: -O3
// SSE, AVX2 and AVX-512 with RIP-relative constants, chosen at run time where the CPU has them.
#include <stdio.h>

#define KERNEL(name, isa)                                                         \
  __attribute__((noinline, target(isa))) static void name(float* x, int n) {      \
    for (int i = 0; i < n; i++) x[i] = x[i] * 1.5f + 0.25f;                        \
  }
KERNEL(base, "sse2")
KERNEL(wide, "avx2")
KERNEL(wider, "avx512f,avx512vl")

int main(void) {
  float a[1000], b[1000], c[1000];
  for (int i = 0; i < 1000; i++) a[i] = b[i] = c[i] = (float)i;
  base(a, 1000);
  if (__builtin_cpu_supports("avx2")) wide(b, 1000); else base(b, 1000);
  if (__builtin_cpu_supports("avx512vl")) wider(c, 1000); else base(c, 1000);
  int same = 0;
  for (int i = 0; i < 1000; i++) same += a[i] == b[i] && b[i] == c[i];
  printf("%d %f\n", same, (double)a[999]);
  return 0;
}
