// A handler that interrupts itself.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile int depth, deepest;
static void on_signal(int number) {
  if (++depth > deepest) deepest = depth;
  if (depth < 5) raise(number);
  depth--;
}

int main(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  printf("deepest %d\n", deepest);
  return 0;
}
