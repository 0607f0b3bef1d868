// Loads the generated shared object that its argument names and runs its driver.
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char** argv) {
  void* object = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  void (*run)(void) = object != NULL ? (void (*)(void))dlsym(object, "property_run") : NULL;
  if (run == NULL) {
    fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "usage: host OBJECT");
    return 5;
  }
  run();
  return dlclose(object);
}
