// Loads the shared object named by its argument, calls it, unloads it, twice; the plugins in this
// folder are patched and run inside this program.
// patch: no
// flags: -ldl -pthread
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static void* call_in_thread(void* work) { return (void*)((long (*)(long))work)(5); }

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  for (int round = 0; round < 2; round++) {
    void* object = dlopen(argv[1], RTLD_NOW);
    if (!object) { printf("dlopen failed\n"); fprintf(stderr, "%s\n", dlerror()); return 1; }
    long (*work)(long) = (long (*)(long))dlsym(object, "work");
    printf("work %ld %ld\n", work(3), work(4));
    pthread_t thread;
    void* result;
    pthread_create(&thread, NULL, call_in_thread, (void*)work);
    pthread_join(thread, &result);
    printf("in a thread %ld\n", (long)result);
    printf("closed %d\n", dlclose(object));
  }
  return 0;
}
