// A child by fork has its parent's handlers and mask.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int hits;
static void on_illegal(int number, siginfo_t *info, void *context) {
  (void)info;
  hits += number;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO}, seen;
  sigaction(SIGILL, &action, NULL);
  if (fork() == 0) {
    __asm__ volatile("ud2");
    signal(SIGILL, SIG_DFL);
    sigaction(SIGILL, NULL, &seen);
    printf("child %d, default %d\n", hits, seen.sa_handler == SIG_DFL);
    return 0;
  }
  wait(NULL);
  __asm__ volatile("ud2");
  sigaction(SIGILL, NULL, &seen);
  printf("parent %d, still mine %d\n", hits, seen.sa_sigaction == on_illegal);
  return 0;
}
