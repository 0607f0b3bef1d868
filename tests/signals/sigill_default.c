// Without a handler, SIGILL kills, however it comes.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

static void sent(void) { raise(SIGILL); }
static void executed(void) { __builtin_trap(); }
static void by_kill(void) { kill(getpid(), SIGILL); }

int main(void) {
  child("sent", sent);
  child("executed", executed);
  child("by kill", by_kill);
  return 0;
}
