// Children that are killed by signals of all kinds.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

static void by_abort(void) {
  abort();
}
static void by_term(void) {
  raise(SIGTERM);
}
static void by_kill(void) {
  kill(getpid(), SIGKILL);
}
static void by_segv(void) {
  *(volatile int*)8 = 1;
}
static void by_exit(void) {
  exit(7);
}

int main(void) {
  child("abort", by_abort);
  child("term", by_term);
  child("kill", by_kill);
  child("segv", by_segv);
  child("exit", by_exit);
  return 0;
}
