// Writing into a pipe that nobody reads.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int hits;
static void on_pipe(int number) { hits += number; }

int main(void) {
  int ends[2];
  if (pipe(ends)) return 1;
  close(ends[0]);
  signal(SIGPIPE, on_pipe);
  const long result = write(ends[1], "x", 1);
  printf("%ld %d %d\n", result, errno == EPIPE, hits);
  return 0;
}
