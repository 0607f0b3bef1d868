// System calls of the program's own, past libc: masks, actions, faults of the kernel's.
// not-on-libc: nobody owns them where only libc has traps
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static long raw(long number, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}

int main(void) {
  unsigned long all = ~0ul, old = 0, now = 0;
  printf("%ld ", raw(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&old, 8));
  printf("%ld %lx ", raw(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&now, 8), now >> 3 & 1);
  printf("%ld ", raw(SYS_rt_sigprocmask, SIG_BLOCK, 16, 0, 8));
  printf("%ld ", raw(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, 16, 8));
  printf("%ld ", raw(SYS_rt_sigprocmask, 42, (long)&all, 0, 8));
  printf("%ld\n", raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, 8));
  unsigned long action[4] = {(unsigned long)SIG_IGN, 0, 0, 0}, seen[4] = {9, 9, 9, 9};
  printf("%ld ", raw(SYS_rt_sigaction, SIGILL, (long)action, (long)seen, 8));
  printf("%lu ", seen[0]);
  printf("%ld %lu ", raw(SYS_rt_sigaction, SIGILL, 0, (long)seen, 8), seen[0]);
  printf("%ld %ld ", raw(SYS_rt_sigaction, SIGILL, 16, 0, 8), raw(SYS_rt_sigaction, SIGILL, 0, 16, 8));
  printf("%ld\n", raw(SYS_rt_sigaction, SIGILL, (long)action, 0, 7));
  return 0;
}
