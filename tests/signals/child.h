// A child that does one thing, and what became of it.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(const char* what, void (*run)(void)) {
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
