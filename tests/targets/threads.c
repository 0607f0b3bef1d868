// flags: -pthread
// Eight threads, a mutex, thread-local variables.
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread unsigned long mine;
static unsigned long total;

static void* work(void* arg) {
  for (unsigned long i = 0; i < 20000; i++) mine += i ^ (unsigned long)arg;
  pthread_mutex_lock(&lock);
  total += mine;
  pthread_mutex_unlock(&lock);
  return (void*)mine;
}

int main(void) {
  pthread_t threads[8];
  unsigned long sum = 0;
  for (unsigned long i = 0; i < 8; i++) pthread_create(&threads[i], NULL, work, (void*)i);
  for (int i = 0; i < 8; i++) {
    void* result;
    pthread_join(threads[i], &result);
    sum += (unsigned long)result;
  }
  printf("%lu %d %lu\n", total, total == sum, mine);
  return 0;
}
