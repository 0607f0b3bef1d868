// Two hundred threads, one after the other: nothing of one is left for the next.
// flags: -pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void *work(void *argument) {
  sigset_t ill, now;
  sigemptyset(&ill);
  pthread_sigmask(SIG_BLOCK, NULL, &now);
  const long before = sigismember(&now, SIGILL);
  sigaddset(&ill, SIGILL);
  pthread_sigmask(SIG_BLOCK, &ill, NULL);
  pthread_sigmask(SIG_BLOCK, NULL, &now);
  return (void *)((long)argument + before * 100 + sigismember(&now, SIGILL));
}

int main(void) {
  long sum = 0;
  for (long i = 0; i < 200; i++) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, work, (void *)i);
    pthread_join(thread, &result);
    sum += (long)result;
  }
  printf("%ld\n", sum);
  return 0;
}
