// signal() hands back what there was before.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void one(int number) { (void)number; }
static void two(int number) { (void)number; }

int main(void) {
  printf("%d ", signal(SIGILL, one) == SIG_DFL);
  printf("%d ", signal(SIGILL, two) == one);
  printf("%d ", signal(SIGILL, SIG_IGN) == two);
  printf("%d\n", signal(SIGILL, SIG_DFL) == SIG_IGN);
  return 0;
}
