// flags: -static-pie
// Static-PIE: relocates itself, before main and after our hook.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void* a, const void* b) { return *(const int*)a - *(const int*)b; }
static const char* const names[] = {"relocated", "by", "the", "program", "itself"};

int main(void) {
  int values[] = {5, 3, 9, 1, 7};
  qsort(values, 5, sizeof *values, compare);
  for (int i = 0; i < 5; i++) printf("%d %s %zu\n", values[i], names[i], strlen(names[i]));
  return 0;
}
