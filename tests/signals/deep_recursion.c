// Recursion down to the last kilobytes of the stack.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile long lowest;
static long down(long n) {
  char frame[256];
  memset(frame, (int)n, sizeof frame);
  if (n == 0) return frame[0];
  return down(n - 1) + frame[3] % 2;
}

int main(void) {
  printf("%ld %ld\n", down(10), down(500));
  return lowest != 0;
}
