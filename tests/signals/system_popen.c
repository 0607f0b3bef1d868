// system() and popen(), which block signals while they wait.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  char line[64] = "";
  printf("%d\n", system("exit 3") >> 8);
  FILE *pipe = popen("echo from the pipe", "r");
  fgets(line, sizeof line, pipe);
  printf("%s%d\n", line, pclose(pipe));
  return 0;
}
