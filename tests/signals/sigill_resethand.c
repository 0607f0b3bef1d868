// With SA_RESETHAND the second illegal instruction kills.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "child.h"

static void on_illegal(int number, siginfo_t *info, void *context) {
  (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
  printf("handled %d\n", number);
  fflush(stdout);
}
static void twice(void) {
  struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO | SA_RESETHAND};
  sigaction(SIGILL, &action, NULL);
  __asm__ volatile("ud2");
  __asm__ volatile("ud2");
}

int main(void) {
  child("twice", twice);
  return 0;
}
