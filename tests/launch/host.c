// host HOW [LIBRARY]: loads a library and prints what it answers.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ask(void *handle, int n) {
  if (!handle) {
    printf("%s\n", dlerror());
    exit(3);
  }
  int (*const answer)(int) = (int (*)(int))dlsym(handle, "answer");
  return answer ? answer(n) : -1;
}

static void *load_in_thread(void *library) {
  static int result;
  result = ask(dlopen(library, RTLD_NOW), 4);
  return &result;
}

int main(int argc, char **argv) {
  const char *const how = argv[1], *library = argc > 2 ? argv[2] : "";
  char path[64];
  if (!strcmp(how, "preloaded")) printf("%d\n", ask(dlopen(NULL, RTLD_NOW), 1));
  if (!strcmp(how, "by-descriptor")) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", open(library, O_RDONLY));
    library = path;
  }
  if (!strcmp(how, "plain") || !strcmp(how, "by-descriptor")) printf("%d\n", ask(dlopen(library, RTLD_NOW), 2));
  if (!strcmp(how, "lazy")) printf("%d\n", ask(dlopen(library, RTLD_LAZY | RTLD_GLOBAL), 2));
  if (!strcmp(how, "again"))
    for (int i = 0; i < 5; i++) {
      void *const handle = dlopen(library, RTLD_NOW);
      printf("%d\n", ask(handle, i) / 1000);
      dlclose(handle);
    }
  if (!strcmp(how, "namespaces"))
    for (int i = 0; i < 3; i++) printf("%d\n", ask(dlmopen(LM_ID_NEWLM, library, RTLD_NOW), i));
  if (!strcmp(how, "two-copies")) {
    printf("%d ", ask(dlopen(library, RTLD_NOW), 7));
    printf("%d\n", ask(dlopen(argv[3], RTLD_NOW), 7));
  }
  if (!strcmp(how, "small-stack")) {
    pthread_attr_t attributes;
    pthread_t thread;
    void *result;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    pthread_create(&thread, &attributes, load_in_thread, (void *)library);
    pthread_join(thread, &result);
    printf("%d\n", *(int *)result);
  }
  return 0;
}
