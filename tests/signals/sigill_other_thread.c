// One thread's illegal instructions, while another blocks every signal.
// flags: -pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static volatile int hits;
static void on_illegal(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  hits++;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}
static void *faulty(void *unused) {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
  for (int i = 0; i < 4; i++) __asm__ volatile("ud2");
  return unused;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &action, NULL);
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  pthread_t thread;
  pthread_create(&thread, NULL, faulty, NULL);
  pthread_join(thread, NULL);
  printf("hits %d\n", hits);
  return 0;
}
