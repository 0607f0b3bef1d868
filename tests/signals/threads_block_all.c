// Threads that block everything and go on working.
// flags: -pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void *work(void *argument) {
  sigset_t all, old;
  long sum = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  for (int i = 0; i < 50; i++) sum += i * (long)argument;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return (void *)sum;
}

int main(void) {
  pthread_t threads[6];
  for (long i = 0; i < 6; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  for (int i = 0; i < 6; i++) {
    void *sum;
    pthread_join(threads[i], &sum);
    printf("%ld ", (long)sum);
  }
  puts("");
  return 0;
}
