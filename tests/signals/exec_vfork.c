// A child by vfork executes twice from one call: what the second one inherits is still right.
// not-on-libc: grep's own runtime takes SIGILL before grep looks
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(const char *script) {
  fflush(stdout);
  const pid_t pid = vfork();
  if (pid == 0) {
    char *const words[] = {"sh", "-c", (char *)script, NULL};
    execv("/bin/sh", words);
    _exit(1);
  }
  waitpid(pid, NULL, 0);
}

int main(void) {
  puts("before");
  run("grep SigIgn /proc/self/status");
  signal(SIGILL, SIG_IGN);
  run("grep SigIgn /proc/self/status");
  return 0;
}
