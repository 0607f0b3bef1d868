// Every byte of thread-local storage is the program's, in each thread.
// flags: -pthread
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static _Thread_local unsigned char zeros[300];
static _Thread_local unsigned char block[300] = {1};

static long work(void) {
  long wrong = 0;
  for (int i = 0; i < 300; i++) wrong += zeros[i] != 0 || block[i] != (i == 0);
  for (int round = 1; round < 4; round++) {
    for (int i = 0; i < 300; i++) zeros[i] = block[i] = (unsigned char)(i * round);
    raise(SIGUSR1);
    for (int i = 0; i < 300; i++) wrong += zeros[i] != block[i] || block[i] != (unsigned char)(i * round);
  }
  return wrong;
}

static void handler(int number) { zeros[7] = block[7] = (unsigned char)(block[7] ^ 0); }
static void *thread(void *unused) { return (void *)work(); }

int main(void) {
  pthread_t one;
  void *wrong;
  signal(SIGUSR1, handler);
  pthread_create(&one, NULL, thread, NULL);
  pthread_join(one, &wrong);
  printf("%ld %ld\n", (long)wrong, work());
  return 0;
}
