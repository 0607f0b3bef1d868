// Ignored: a SIGILL that is sent is nothing, an illegal instruction still kills.
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

static void sent(void) {
  signal(SIGILL, SIG_IGN);
  raise(SIGILL);
  _exit(3);
}
static void executed(void) {
  signal(SIGILL, SIG_IGN);
  __asm__ volatile("ud2");
}

int main(void) {
  child("sent", sent);
  child("executed", executed);
  return 0;
}
