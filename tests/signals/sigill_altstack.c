// Its handler runs on the alternate stack exactly when it asked to.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static char stack[65536] __attribute__((aligned(64)));
static volatile int where;
static void on_illegal(int number, siginfo_t *info, void *context) {
  char local;
  (void)number, (void)info;
  where = &local >= stack && &local < stack + sizeof stack;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}
static int try(int flags) {
  struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO | flags};
  sigaction(SIGILL, &action, NULL);
  where = -1;
  __asm__ volatile("ud2");
  return where;
}

int main(void) {
  printf("none: %d %d\n", try(0), try(SA_ONSTACK));
  const stack_t mine = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&mine, NULL);
  printf("own: %d %d\n", try(0), try(SA_ONSTACK));
  return 0;
}
