// A handler that blocks all signals while it runs, and is told so.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile int sum;
static void on_signal(int number) {
  for (int i = 0; i < 20; i++) sum += i * number;
}

int main(void) {
  struct sigaction action = {.sa_handler = on_signal}, seen;
  sigfillset(&action.sa_mask);
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  sigaction(SIGUSR1, NULL, &seen);
  printf("sum %d, masks ILL %d\n", sum, sigismember(&seen.sa_mask, SIGILL));
  sigemptyset(&action.sa_mask);
  sigaction(SIGUSR1, &action, &seen);
  printf("masked ILL %d", sigismember(&seen.sa_mask, SIGILL));
  sigaction(SIGUSR1, NULL, &seen);
  printf(", masks ILL %d\n", sigismember(&seen.sa_mask, SIGILL));
  return 0;
}
