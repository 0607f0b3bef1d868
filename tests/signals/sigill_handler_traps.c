// A handler for SIGILL that does a lot itself.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static char text[64];
static void on_illegal(int number, siginfo_t *info, void *context) {
  int length = 0;
  for (int i = 0; i < 10; i++) length += snprintf(text + length, sizeof text - (size_t)length, "%d,", i * number);
  (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

int main(void) {
  static char stack[65536];
  const stack_t mine = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &action, NULL);
  sigaltstack(&mine, NULL);
  __asm__ volatile("ud2");
  printf("%s\n", text);
  return 0;
}
