// A stack overflow, caught on the alternate stack, three times.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static sigjmp_buf back;
static void on_overflow(int number) { siglongjmp(back, number); }
static int deeper(int n) {
  volatile char frame[16384];
  frame[0] = (char)n;
  return n < 0 ? 0 : deeper(n + 1) + frame[0];
}

int main(void) {
  static char stack[65536];
  struct rlimit small = {1 << 20, 1 << 20};
  setrlimit(RLIMIT_STACK, &small);
  const stack_t mine = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&mine, NULL);
  struct sigaction action = {.sa_handler = on_overflow, .sa_flags = SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  for (volatile int i = 0; i < 3; i++) {
    const int number = sigsetjmp(back, 1);
    if (number == 0) deeper(1);
    printf("caught %d\n", number);
  }
  return 0;
}
