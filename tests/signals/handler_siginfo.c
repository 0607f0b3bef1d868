// Queued real-time signals arrive in order, with their values.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int seen[8], count;
static void on_signal(int number, siginfo_t *info, void *context) {
  seen[count++ & 7] = info->si_value.sival_int * (context != NULL) * (number == SIGRTMIN);
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGRTMIN, &action, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, NULL);
  for (int i = 1; i <= 4; i++) sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i * 11});
  printf("%d while blocked\n", count);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  printf("%d: %d %d %d %d\n", count, seen[0], seen[1], seen[2], seen[3]);
  return 0;
}
