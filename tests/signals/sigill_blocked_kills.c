// An illegal instruction while SIGILL is blocked kills, handler or not.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(const char *what, void (*run)(void)) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    run();
    _exit(9);
  }
  int status;
  waitpid(pid, &status, 0);
  printf("%s: signal %d, status %d\n", what, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
         WIFEXITED(status) ? WEXITSTATUS(status) : 0);
}

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
