// Signals read from a file descriptor.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int main(void) {
  sigset_t all;
  struct signalfd_siginfo info;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  const int fd = signalfd(-1, &all, 0);
  raise(SIGUSR2);
  const long size = read(fd, &info, sizeof info);
  printf("%d %u\n", size == sizeof info, info.ssi_signo);
  return 0;
}
