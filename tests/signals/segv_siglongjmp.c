// A wild pointer, caught and left by siglongjmp.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static sigjmp_buf back;
static volatile long where;
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)context;
  where = (long)info->si_addr;
  siglongjmp(back, number);
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  for (volatile long i = 1; i < 4; i++)
    if (sigsetjmp(back, 1) == 0)
      printf("%d\n", *(volatile int *)(i * 16));
    else
      printf("fault at %ld\n", where);
  return 0;
}
