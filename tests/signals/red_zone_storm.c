// A leaf function's red zone, under signals by timer.
// flags: -O2 -mno-red-zone
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static volatile int ticks;
static void on_tick(int number) { ticks += number == SIGALRM; }

static long leaf(long n) {
  long result;
  __asm__ volatile(
      "mov %1, -8(%%rsp)\n mov %1, -128(%%rsp)\n mov $20, %%ecx\n"
      "1: mov -8(%%rsp), %%rax\n add -128(%%rsp), %%rax\n dec %%ecx\n jnz 1b\n"
      : "=&a"(result) : "r"(n) : "rcx", "memory", "cc");
  return result;
}

int main(void) {
  signal(SIGALRM, on_tick);
  const struct itimerval often = {{0, 3000}, {0, 3000}};
  setitimer(ITIMER_REAL, &often, NULL);
  int wrong = 0;
  for (long n = 0; ticks < 20; n++) wrong += leaf(n) != 2 * n;
  printf("wrong %d\n", wrong);
  return 0;
}
