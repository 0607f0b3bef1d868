// A handler that works once.
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

static void on_signal(int number) { printf("handled %d\n", number == SIGUSR1), fflush(stdout); }
static void twice(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  raise(SIGUSR1);
}

int main(void) {
  child("twice", twice);
  return 0;
}
