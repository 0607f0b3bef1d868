// A handler that changes registers and sends the program on elsewhere.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

extern char after[];
static void on_fault(int number, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  (void)info;
  uc->uc_mcontext.gregs[REG_RAX] = 1000 + number;
  uc->uc_mcontext.gregs[REG_RIP] = (long)after;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  long value;
  __asm__ volatile("xor %%eax, %%eax\n mov 8(%%rax), %%rax\n add $1, %%rax\nafter: nop" : "=a"(value));
  printf("%ld\n", value);
  return 0;
}
