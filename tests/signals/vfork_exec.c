// A child by vfork changes its own SIGILL action, not its parent's.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_illegal(int number) { (void)number; }

int main(void) {
  struct sigaction seen;
  signal(SIGILL, on_illegal);
  puts("before");
  fflush(stdout);
  const pid_t pid = vfork();
  if (pid == 0) {
    signal(SIGILL, SIG_DFL);
    execl("/bin/echo", "echo", "child", NULL);
    _exit(1);
  }
  int status;
  waitpid(pid, &status, 0);
  sigaction(SIGILL, NULL, &seen);
  printf("status %d, still mine %d\n", status, seen.sa_handler == on_illegal);
  return 0;
}
