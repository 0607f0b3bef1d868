// Handlers that interrupt other code, nested, with masks.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks, users, depth, deepest;

static void on_user(int sig, siginfo_t* info, void* context) {
  (void)info, (void)context;
  users++;
  if (++depth > deepest) deepest = depth;
  if (sig == SIGUSR1) raise(SIGUSR2);
  depth--;
}
static void on_alarm(int sig) { (void)sig, ticks++; }

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_user;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGUSR2, &action, NULL);
  signal(SIGALRM, on_alarm);
  struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &every, NULL);
  unsigned long spin = 1;
  while (ticks < 20) spin = spin * 6364136223846793005ul + 1;
  setitimer(ITIMER_REAL, &never, NULL);
  for (int i = 0; i < 3; i++) raise(SIGUSR1);
  printf("users %d deepest %d ticked %d odd %d\n", users, deepest, ticks >= 20, spin != 0);
  return 0;
}
