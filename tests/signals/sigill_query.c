// What was never set is the default; what was set is told, flags and mask included.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void on_illegal(int number) { (void)number; }

int main(void) {
  struct sigaction action, seen;
  sigaction(SIGILL, NULL, &seen);
  printf("default %d, flags %x\n", seen.sa_handler == SIG_DFL, seen.sa_flags);
  memset(&action, 0, sizeof action);
  action.sa_handler = on_illegal;
  action.sa_flags = SA_RESTART | SA_NODEFER;
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaddset(&action.sa_mask, SIGILL);
  sigaction(SIGILL, &action, &seen);
  printf("default %d\n", seen.sa_handler == SIG_DFL);
  sigaction(SIGILL, NULL, &seen);
  printf("mine %d, flags %x, masks USR2 %d ILL %d HUP %d\n", seen.sa_handler == on_illegal,
         seen.sa_flags & ~0x04000000, sigismember(&seen.sa_mask, SIGUSR2), sigismember(&seen.sa_mask, SIGILL),
         sigismember(&seen.sa_mask, SIGHUP));
  return 0;
}
