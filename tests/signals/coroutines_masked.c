// Coroutines that block all signals in their contexts.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static ucontext_t home, other;
static char stack[65536] __attribute__((aligned(16)));
static int steps;
static void run(void) {
  for (int i = 0; i < 5; i++) {
    steps += i;
    swapcontext(&other, &home);
  }
}

int main(void) {
  getcontext(&other);
  other.uc_stack.ss_sp = stack;
  other.uc_stack.ss_size = sizeof stack;
  other.uc_link = &home;
  sigfillset(&other.uc_sigmask);
  makecontext(&other, run, 0);
  for (int i = 0; i < 5; i++) swapcontext(&home, &other);
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("steps %d, blocked %d\n", steps, sigismember(&now, SIGUSR1));
  return 0;
}
