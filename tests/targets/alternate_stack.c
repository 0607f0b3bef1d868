// A stack overflow caught on the alternate stack; rsp is not a stack we may touch at that moment.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static sigjmp_buf back;
static void on_overflow(int sig) { siglongjmp(back, sig); }

static int deeper(int n) {
  volatile char frame[4096];
  frame[0] = (char)n;
  return n < 0 ? 0 : deeper(n + 1) + frame[0];
}

int main(void) {
  struct rlimit small = {1 << 20, 1 << 20};
  setrlimit(RLIMIT_STACK, &small);
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = on_overflow, .sa_flags = SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  for (int i = 0; i < 3; i++) {
    int sig = sigsetjmp(back, 1);
    if (sig == 0) deeper(1);
    printf("caught %d\n", sig);
  }
  return 0;
}
