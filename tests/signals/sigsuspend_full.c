// sigsuspend with all but one signal blocked.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile int hits;
static void on_signal(int number) {
  for (int i = 0; i < 10; i++) hits += number;
}

int main(void) {
  sigset_t usr1, but_usr1;
  signal(SIGUSR1, on_signal);
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  sigfillset(&but_usr1);
  sigdelset(&but_usr1, SIGUSR1);
  sigprocmask(SIG_BLOCK, &usr1, NULL);
  raise(SIGUSR1);
  const int result = sigsuspend(&but_usr1);
  printf("%d %d %d\n", result, errno == EINTR, hits);
  return 0;
}
