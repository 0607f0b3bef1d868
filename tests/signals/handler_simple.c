// A handler for a signal that the program sends itself.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile int hits;
static void on_signal(int number) { hits += number; }

int main(void) {
  signal(SIGUSR1, on_signal);
  for (int i = 0; i < 5; i++) raise(SIGUSR1);
  printf("hits %d\n", hits);
  return 0;
}
