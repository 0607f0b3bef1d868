// An interrupted read fails or goes on, as SA_RESTART says.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static int ends[2];
static volatile int restarting, written;
static void on_alarm(int number) {
  (void)number;
  if (restarting && !written++ && write(ends[1], "x", 1) != 1) _exit(1);
}

int main(void) {
  char byte = 0;
  if (pipe(ends)) return 1;
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, 20000}, {0, 20000}};  // the first may come before the read
  setitimer(ITIMER_REAL, &often, NULL);
  const long first = read(ends[0], &byte, 1);
  const int interrupted = errno == EINTR;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, NULL);
  restarting = 1;
  const long second = read(ends[0], &byte, 1);
  printf("%ld %d %ld %c\n", first, interrupted, second, byte);
  return 0;
}
