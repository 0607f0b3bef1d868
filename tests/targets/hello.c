// A dynamically linked, position-independent program: the everyday case.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned digest(const char* text) {
  unsigned h = 2166136261u;
  for (; *text; text++) h = (h ^ (unsigned char)*text) * 16777619u;
  return h;
}

int main(int argc, char** argv) {
  char line[64];
  for (int i = 0; i < 5; i++) {
    snprintf(line, sizeof line, "line %d of %d", i, argc);
    printf("%s %08x %zu\n", line, digest(line), strlen(line));
  }
  return argv[0] == NULL;
}
