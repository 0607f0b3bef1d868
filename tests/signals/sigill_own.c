// The program handles its own illegal instruction.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static volatile int hits;
static void on_illegal(int number, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  hits += number == SIGILL && info->si_addr == (void *)uc->uc_mcontext.gregs[REG_RIP];
  uc->uc_mcontext.gregs[REG_RIP] += 2;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO}, seen;
  sigaction(SIGILL, &action, NULL);
  for (int i = 0; i < 3; i++) __asm__ volatile("ud2");
  sigaction(SIGILL, NULL, &seen);
  printf("hits %d, still mine %d\n", hits, seen.sa_sigaction == on_illegal);
  return 0;
}
