// The program's own breakpoints.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile int hits;
static void on_trap(int number) { hits += number; }

int main(void) {
  signal(SIGTRAP, on_trap);
  for (volatile int i = 0; i < 4; i++) __asm__ volatile("int3");
  printf("hits %d\n", hits);
  return 0;
}
