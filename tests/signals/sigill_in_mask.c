// A program that blocks every signal is told so, and works.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int holds_ill(void) {
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  return sigismember(&now, SIGILL) * 10 + sigismember(&now, SIGUSR1);
}

int main(void) {
  sigset_t all, old, ill;
  sigfillset(&all);
  printf("%d ", holds_ill());
  sigprocmask(SIG_BLOCK, &all, &old);
  printf("%d %d ", sigismember(&old, SIGILL), holds_ill());
  sigprocmask(SIG_SETMASK, &old, &all);
  printf("%d %d ", sigismember(&all, SIGILL), holds_ill());
  sigemptyset(&ill);
  sigaddset(&ill, SIGILL);
  sigprocmask(SIG_SETMASK, &ill, NULL);
  printf("%d ", holds_ill());
  sigprocmask(SIG_UNBLOCK, &ill, NULL);
  printf("%d\n", holds_ill());
  return 0;
}
