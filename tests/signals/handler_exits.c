// A handler that ends the process.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_signal(int number) {
  printf("leaving on %d\n", number == SIGUSR1);
  fflush(stdout);
  _exit(17);
}

int main(void) {
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  return 1;
}
