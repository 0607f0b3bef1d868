// Nobody takes privileges away or filters system calls: not here, not in children, not behind exec.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *who) {
  printf("%s: no_new_privs %d, seccomp %d\n", who, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_SECCOMP));
  fflush(stdout);
}

int main(void) {
  tell("parent");
  if (fork() == 0) {
    tell("child");
    execlp("grep", "grep", "-E", "^(NoNewPrivs|Seccomp|SigBlk|SigIgn)", "/proc/self/status", NULL);
    _exit(1);
  }
  return wait(NULL) < 0;
}
