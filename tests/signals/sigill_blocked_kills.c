// An illegal instruction while SIGILL is blocked kills, handler or not.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

static void on_illegal(int number) { _exit(number); }
static void blocked(void) {
  sigset_t all;
  signal(SIGILL, on_illegal);
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  __asm__ volatile("ud2");
}

int main(void) {
  child("blocked", blocked);
  return 0;
}
