// Without a handler, SIGILL kills, however it comes.
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

static void sent(void) { raise(SIGILL); }
static void executed(void) { __builtin_trap(); }
static void by_kill(void) { kill(getpid(), SIGILL); }

int main(void) {
  child("sent", sent);
  child("executed", executed);
  child("by kill", by_kill);
  return 0;
}
