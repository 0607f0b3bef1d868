// Signals by timer, at any instruction of the program.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static volatile int ticks;
static void on_tick(int number) { ticks += number == SIGALRM; }

static unsigned mix(unsigned n) {
  unsigned sum = 0;
  for (unsigned i = 1; i <= n; i++) sum = sum * 31 + i / 3 + (i % 7 ? i : sum % 13);
  return sum;
}

int main(void) {
  struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  const unsigned expected = mix(300);
  const struct itimerval often = {{0, 3000}, {0, 3000}};
  setitimer(ITIMER_REAL, &often, NULL);
  int wrong = 0;
  while (ticks < 20) wrong += mix(300) != expected;
  printf("wrong %d\n", wrong);
  return 0;
}
