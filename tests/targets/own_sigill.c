// A program with its own ud2 and its own SIGILL handler: both stay its own.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static volatile int hits;
static void on_illegal(int sig, siginfo_t* info, void* context) {
  ucontext_t* uc = context;
  hits += sig == SIGILL && info->si_addr == (void*)uc->uc_mcontext.gregs[REG_RIP];
  uc->uc_mcontext.gregs[REG_RIP] += 2;  // past the ud2
}

int main(void) {
  struct sigaction action, seen;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_illegal;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, NULL);
  for (int i = 0; i < 4; i++) __asm__ volatile("ud2");
  sigaction(SIGILL, NULL, &seen);
  printf("hits %d, still mine %d\n", hits, seen.sa_sigaction == on_illegal);
  signal(SIGILL, SIG_DFL);
  fflush(stdout);
  __asm__ volatile("ud2");
  return 0;
}
