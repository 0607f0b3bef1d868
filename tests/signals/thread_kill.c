// A signal for one thread of several.
// flags: -pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_t threads[3];
static volatile int hits[3], go;
static void on_signal(int number) {
  (void)number;
  for (int i = 0; i < 3; i++)
    if (pthread_equal(threads[i], pthread_self())) hits[i]++;
}
static void *wait_for_it(void *argument) {
  while (!hits[(long)argument]) usleep(1000);
  return NULL;
}

int main(void) {
  signal(SIGUSR1, on_signal);
  for (long i = 0; i < 3; i++) pthread_create(&threads[i], NULL, wait_for_it, (void *)i);
  for (int i = 0; i < 3; i++) pthread_kill(threads[i], SIGUSR1);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  printf("%d %d %d\n", hits[0], hits[1], hits[2]);
  return 0;
}
