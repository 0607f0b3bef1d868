// sigwait, sigwaitinfo and sigtimedwait take a SIGILL that was sent.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  sigset_t ill;
  siginfo_t info;
  int number = 0;
  sigemptyset(&ill);
  sigaddset(&ill, SIGILL);
  sigprocmask(SIG_BLOCK, &ill, NULL);
  raise(SIGILL);
  const int result = sigwait(&ill, &number);
  printf("%d %d\n", result, number);
  sigqueue(getpid(), SIGILL, (union sigval){.sival_int = 77});
  number = sigwaitinfo(&ill, &info);
  printf("%d %d %d\n", number, info.si_code, info.si_value.sival_int);
  struct timespec soon = {0, 1000000};
  printf("%d\n", sigtimedwait(&ill, &info, &soon));
  return 0;
}
