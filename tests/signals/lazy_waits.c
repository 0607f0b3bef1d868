// A thread waits in its first call of ppoll while another calls it, with all signals blocked but one.
// flags: -pthread -Wl,-z,lazy
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static sem_t inside, leave;
static volatile sig_atomic_t handled;

static void stay(int number) {
  sem_post(&inside);
  while (sem_wait(&leave)) {}
  handled += number == SIGUSR1;
}

static void count(int number) { handled += number == SIGUSR2; }

// Waits until `number` comes, which nowhere else can.
static int wait_for(int number) {
  sigset_t mask;
  sigfillset(&mask);
  sigdelset(&mask, number);
  return ppoll(NULL, 0, NULL, &mask);
}

static void *first(void *unused) {
  return (void *)(long)wait_for(SIGUSR1);
}

int main(void) {
  sigset_t both;
  pthread_t thread;
  sem_init(&inside, 0, 0);
  sem_init(&leave, 0, 0);
  signal(SIGUSR1, stay);
  signal(SIGUSR2, count);
  sigemptyset(&both);
  sigaddset(&both, SIGUSR1);
  sigaddset(&both, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &both, NULL);
  pthread_create(&thread, NULL, first, NULL);
  pthread_kill(thread, SIGUSR1);
  while (sem_wait(&inside)) {}  // it is in ppoll now, and in no other place
  pthread_kill(pthread_self(), SIGUSR2);
  printf("%d\n", wait_for(SIGUSR2));
  sem_post(&leave);
  pthread_join(thread, NULL);
  printf("%d\n", (int)handled);
  return 0;
}
