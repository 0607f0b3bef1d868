// What is ignored and what is blocked is inherited by an executed program.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct sigaction seen;
  sigset_t set;
  sigprocmask(SIG_BLOCK, NULL, &set);
  sigaction(SIGILL, NULL, &seen);
  printf("ignored %d, blocked %d\n", seen.sa_handler == SIG_IGN, sigismember(&set, SIGILL));
  fflush(stdout);
  if (argc > 2) return 0;
  char *const once[] = {argv[0], "again", NULL}, *const twice[] = {argv[0], "again", "again", NULL};
  if (argc == 1)
    signal(SIGILL, SIG_IGN);
  else
    sigprocmask(SIG_BLOCK, (sigemptyset(&set), sigaddset(&set, SIGILL), &set), NULL);
  execv("/nonexistent", once);
  execv(argv[0], argc == 1 ? once : twice);
  return 1;
}
