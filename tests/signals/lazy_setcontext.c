// setcontext, which does not return, again and again, to a context that blocks everything.
// flags: -Wl,-z,lazy
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

int main(void) {
  static ucontext_t here;
  static volatile int rounds;
  getcontext(&here);
  sigfillset(&here.uc_sigmask);
  if (rounds++ < 5) setcontext(&here);
  printf("%d\n", rounds);
  return 0;
}
