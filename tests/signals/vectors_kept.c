// Vector registers, flags and mxcsr keep their values where a handler comes in between.
// flags: -mno-red-zone
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile float scratch = 3;
static void on_signal(int number) {
  for (int i = 0; i < 8; i++) scratch = scratch * 1.5f + (float)number;
}

int main(void) {
  signal(SIGUSR1, on_signal);
  unsigned long low = 0, high = 0, flags = 0;
  const unsigned long bits[2] = {0x1122334455667788, 0x99aabbccddeeff00};
  register long number __asm__("r12") = SIGUSR1;
  __asm__ volatile(
      "movdqu %3, %%xmm15\n movdqa %%xmm15, %%xmm3\n stc\n pushfq\n"
      "mov $39, %%eax\n syscall\n mov %%eax, %%edi\n mov %4, %%rsi\n mov $62, %%eax\n syscall\n popfq\n"
      "setc %b2\n pxor %%xmm15, %%xmm3\n movq %%xmm15, %0\n movq %%xmm3, %1"
      : "=&r"(low), "=&r"(high), "+&b"(flags) : "m"(bits), "r"(number)
      : "rax", "rcx", "rdi", "rsi", "r11", "xmm15", "xmm3", "memory", "cc");
  printf("%lx %lx %lu\n", low, high, flags);
  return 0;
}
