// fork, vfork, exec, pipes, wait: children run patched code too.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  int ends[2], status;
  char text[32] = {0};
  if (pipe(ends)) return 1;
  pid_t child = fork();
  if (child == 0) {
    if (write(ends[1], "from the child", 14) != 14) _exit(1);
    _exit(5);
  }
  waitpid(child, &status, 0);
  printf("%zd %s %d\n", read(ends[0], text, sizeof text - 1), text, WEXITSTATUS(status));
  fflush(stdout);
  for (int i = 0; i < 3; i++) {
    child = vfork();
    if (child == 0) {
      execl("/bin/sh", "sh", "-c", "echo from exec; exit 9", (char*)NULL);
      _exit(1);
    }
    waitpid(child, &status, 0);
    printf("vfork %d\n", WEXITSTATUS(status));
    fflush(stdout);
  }
  return system("exit 4") >> 8;
}
