// A handler that is interrupted by another, and that by a third.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile char order[32];
static volatile int at;
static void on_signal(int number) {
  order[at++] = number == SIGUSR1 ? 'a' : number == SIGUSR2 ? 'b' : 'c';
  if (number == SIGUSR1) raise(SIGUSR2);
  if (number == SIGUSR2) raise(SIGHUP);
  order[at++] = number == SIGUSR1 ? 'A' : number == SIGUSR2 ? 'B' : 'C';
}

int main(void) {
  signal(SIGUSR1, on_signal);
  signal(SIGUSR2, on_signal);
  signal(SIGHUP, on_signal);
  raise(SIGUSR1);
  raise(SIGUSR1);
  puts((const char *)order);
  return 0;
}
