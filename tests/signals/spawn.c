// posix_spawn with default signals, from a program with a handler for SIGILL.
#define _GNU_SOURCE
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static void on_illegal(int number) { (void)number; }

int main(void) {
  struct sigaction seen;
  posix_spawnattr_t attributes;
  sigset_t all, none;
  pid_t pid;
  char *const words[] = {"echo", "spawned", NULL};
  signal(SIGILL, on_illegal);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, (sigfillset(&all), &all));
  posix_spawnattr_setsigmask(&attributes, (sigemptyset(&none), &none));
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  printf("%d\n", posix_spawn(&pid, "/bin/echo", NULL, &attributes, words, environ));
  int status;
  waitpid(pid, &status, 0);
  sigaction(SIGILL, NULL, &seen);
  printf("status %d, still mine %d\n", status, seen.sa_handler == on_illegal);
  return 0;
}
