// Children reaped in the handler.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int reaped, statuses;
static void on_child(int number) {
  (void)number;
  int status;
  while (waitpid(-1, &status, WNOHANG) > 0) {
    statuses += WEXITSTATUS(status);
    reaped++;
  }
}

int main(void) {
  sigset_t chld, old;
  signal(SIGCHLD, on_child);
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  sigprocmask(SIG_BLOCK, &chld, &old);
  for (int i = 1; i <= 4; i++)
    if (fork() == 0) _exit(i);
  while (reaped < 4) sigsuspend(&old);
  printf("%d %d\n", reaped, statuses);
  return 0;
}
