// flags: -O0 -rdynamic
// A backtrace through three frames of ours sees three frames.
#include <execinfo.h>
#include <stdio.h>
#include <string.h>

static int frames_named(const char* part) {
  void* frames[32];
  int n = backtrace(frames, 32), hits = 0;
  char** names = backtrace_symbols(frames, n);
  for (int i = 0; i < n; i++) hits += strstr(names[i], part) != NULL;
  return hits;
}
int level_three(void) { return frames_named("level_") + 0; }
int level_two(void) { return level_three() + 0; }
int level_one(void) { return level_two() + 0; }

int main(void) {
  printf("%d\n", level_one());
  return 0;
}
