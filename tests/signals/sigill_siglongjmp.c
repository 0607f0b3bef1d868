// Probing instructions: the handler leaves by siglongjmp, again and again.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static sigjmp_buf back;
static void on_illegal(int number) { siglongjmp(back, number); }

static int probe(int bad, int depth) {
  if (depth) return probe(bad, depth - 1) + 1;
  if (bad) __asm__ volatile("ud2");
  return 0;
}

int main(void) {
  signal(SIGILL, on_illegal);
  volatile int caught = 0, fine = 0;
  for (volatile int i = 0; i < 12; i++) {
    if (sigsetjmp(back, 1))
      caught++;
    else
      fine += probe(i % 3 != 0, i) >= 0;
  }
  printf("caught %d, fine %d\n", caught, fine);
  return 0;
}
