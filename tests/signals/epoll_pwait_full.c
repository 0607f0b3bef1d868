// epoll_pwait with all but one signal blocked; the handler runs in it.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static volatile int sum;
static void on_alarm(int number) {
  for (int i = 0; i < 10; i++) sum += number;
}

int main(void) {
  sigset_t but_alarm, alarm_only;
  struct epoll_event event;
  const int epoll = epoll_create1(0);
  signal(SIGALRM, on_alarm);
  sigfillset(&but_alarm);
  sigdelset(&but_alarm, SIGALRM);
  sigemptyset(&alarm_only);
  sigaddset(&alarm_only, SIGALRM);
  sigprocmask(SIG_BLOCK, &alarm_only, NULL);
  ualarm(5000, 0);
  const int result = epoll_pwait(epoll, &event, 1, -1, &but_alarm);
  printf("%d %d %d\n", result, errno == EINTR, sum);
  return 0;
}
