// An interrupted read fails or goes on, as SA_RESTART says.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int ends[2];
static volatile int hits;
static void on_alarm(int number) {
  (void)number;
  if (++hits == 2 && write(ends[1], "x", 1) != 1) _exit(1);
}

int main(void) {
  char byte = 0;
  if (pipe(ends)) return 1;
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  ualarm(5000, 0);
  const long first = read(ends[0], &byte, 1);
  const int interrupted = errno == EINTR;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, NULL);
  ualarm(5000, 0);
  const long second = read(ends[0], &byte, 1);
  printf("%ld %d %ld %c\n", first, interrupted, second, byte);
  return 0;
}
