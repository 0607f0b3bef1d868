// A SIGILL that is sent while it is blocked waits until it is not.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile int hits;
static void on_illegal(int number) { hits += number; }

int main(void) {
  sigset_t ill, waiting;
  signal(SIGILL, on_illegal);
  sigemptyset(&ill);
  sigaddset(&ill, SIGILL);
  sigprocmask(SIG_BLOCK, &ill, NULL);
  raise(SIGILL);
  raise(SIGILL);
  sigpending(&waiting);
  printf("hits %d, pending %d\n", hits, sigismember(&waiting, SIGILL));
  sigprocmask(SIG_UNBLOCK, &ill, NULL);
  sigpending(&waiting);
  printf("hits %d, pending %d\n", hits, sigismember(&waiting, SIGILL));
  return 0;
}
