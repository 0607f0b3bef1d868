// Ignored: a SIGILL that is sent is nothing, an illegal instruction still kills.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

static void sent(void) {
  signal(SIGILL, SIG_IGN);
  raise(SIGILL);
  _exit(3);
}
static void executed(void) {
  signal(SIGILL, SIG_IGN);
  __asm__ volatile("ud2");
}

int main(void) {
  child("sent", sent);
  child("executed", executed);
  return 0;
}
