// BSD's calls: sigblock, sigsetmask, siggetmask.
// flags: -Wno-deprecated-declarations
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  const int ill = 1 << (SIGILL - 1), hup = 1 << (SIGHUP - 1);
  printf("%x ", sigblock(ill | hup));
  printf("%x ", siggetmask());
  printf("%x ", sigsetmask(hup));
  printf("%x ", sigsetmask(ill));
  printf("%x\n", sigsetmask(0));
  return 0;
}
