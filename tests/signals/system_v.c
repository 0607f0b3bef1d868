// System V's calls: sigset, sighold, sigrelse, sigignore.
// flags: -Wno-deprecated-declarations
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile int hits;
static void on_illegal(int number) { hits += number; }

int main(void) {
  printf("%d ", sigset(SIGILL, on_illegal) == SIG_DFL);
  sighold(SIGILL);
  raise(SIGILL);
  printf("%d ", hits);
  sigrelse(SIGILL);
  printf("%d ", hits);
  printf("%d ", sigset(SIGILL, SIG_HOLD) == on_illegal);
  printf("%d ", sigset(SIGILL, on_illegal) == SIG_HOLD);
  sigignore(SIGILL);
  raise(SIGILL);
  printf("%d\n", hits);
  return 0;
}
