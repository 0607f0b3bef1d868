/* Overwrites every vector register that the processor has, and computes with doubles. For --vector. */
#include <punster/hook.h>

static double sum;
static volatile float values[64];

static __attribute__((target("avx512f"))) void clobber512(void) {
  __asm__ volatile(
      "vpternlogd $0xff,%%zmm0,%%zmm0,%%zmm0\n vmovdqa64 %%zmm0,%%zmm15\n vmovdqa64 %%zmm0,%%zmm16\n"
      "vmovdqa64 %%zmm0,%%zmm31\n kxnorw %%k1,%%k1,%%k1\n kxnorw %%k1,%%k1,%%k7" ::
          : "xmm0", "xmm15", "xmm16", "xmm31", "k1", "k7");
}
static __attribute__((target("avx2"))) void clobber256(void) {
  __asm__ volatile("vpcmpeqd %%ymm0,%%ymm0,%%ymm0\n vmovdqa %%ymm0,%%ymm1\n vmovdqa %%ymm0,%%ymm2\n vmovdqa %%ymm0,%%ymm15" ::
                       : "xmm0", "xmm1", "xmm2", "xmm15");
}

/* 1: AVX2, 2: AVX-512. Asked once: cpuid is slow. */
static int features(void) {
  static int known = -1;
  if (known < 0) {
    unsigned a = 7, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    known = (b >> 5 & 1) | (b >> 16 & 1) << 1;
  }
  return known;
}

void entry(long address) {
  long double extended = 1;
  for (int i = 0; i < 8; ++i) values[i] = (float)address * 0.5f + (float)i;
  for (int i = 0; i < 8; ++i) sum += (double)values[i];
  extended = extended / 3 + (long double)sum;
  if (extended < 0) hook_printf("impossible\n");
  if (features() & 1) clobber256();
  if (features() & 2) clobber512();
}
double half;
void show(const hook_ymm* y) {
  half = (double)y->words[0] / 2;
  hook_printf("%ld %lx %lx\n", (long)half, y->words[1], y->words[2] | y->words[3]);
}
