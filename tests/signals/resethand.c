// A handler that works once.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

static void on_signal(int number) { printf("handled %d\n", number == SIGUSR1), fflush(stdout); }
static void twice(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  raise(SIGUSR1);
}

int main(void) {
  child("twice", twice);
  return 0;
}
