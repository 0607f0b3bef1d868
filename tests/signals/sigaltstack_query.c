// A program without an alternate stack is told that it has none.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

static char stack[65536];

int main(void) {
  stack_t seen, mine = {.ss_sp = stack, .ss_size = sizeof stack}, none = {.ss_flags = SS_DISABLE};
  sigaltstack(NULL, &seen);
  printf("disabled %d\n", seen.ss_flags == SS_DISABLE);
  sigaltstack(&mine, &seen);
  printf("disabled %d\n", seen.ss_flags == SS_DISABLE);
  sigaltstack(NULL, &seen);
  printf("mine %d %zu %d\n", seen.ss_sp == stack, seen.ss_size, seen.ss_flags);
  sigaltstack(&none, &seen);
  printf("mine %d\n", seen.ss_sp == stack);
  sigaltstack(NULL, &seen);
  printf("disabled %d\n", seen.ss_flags == SS_DISABLE);
  return 0;
}
