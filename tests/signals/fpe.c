// A division by zero, caught.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static sigjmp_buf back;
static void on_fault(int number) { siglongjmp(back, number); }

int main(void) {
  signal(SIGFPE, on_fault);
  volatile int zero = 0;
  for (volatile int i = 0; i < 3; i++)
    if (sigsetjmp(back, 1) == 0)
      printf("%d\n", 7 / zero);
    else
      printf("caught %d\n", i);
  return 0;
}
