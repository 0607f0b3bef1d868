// A thread that is cancelled while it waits with signals blocked runs its cleanup.
// flags: -pthread
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int cleaned;
static void clean(void *argument) { cleaned += (int)(long)argument; }
static void *wait_for_ever(void *unused) {
  sigset_t all;
  sigfillset(&all);
  pthread_cleanup_push(clean, (void *)5);
  for (;;) ppoll(NULL, 0, NULL, &all);
  pthread_cleanup_pop(0);
  return unused;
}

int main(void) {
  pthread_t thread;
  void *result;
  pthread_create(&thread, NULL, wait_for_ever, NULL);
  usleep(20000);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  printf("%d %d\n", cleaned, result == PTHREAD_CANCELED);
  return 0;
}
