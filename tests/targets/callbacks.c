// flags: -fcf-protection=full
// libc calls us back; indirect calls land on endbr64.
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void* a, const void* b) {
  return strcmp(*(const char* const*)a, *(const char* const*)b);
}
static void visit(const void* node, VISIT order, int depth) {
  if (order == postorder || order == leaf) printf("%d %s\n", depth, **(const char***)node);
}

int main(void) {
  const char* words[] = {"pun", "stub", "window", "arena", "site", "trap", "overlay", "body"};
  void* tree = NULL;
  for (int i = 0; i < 8; i++) tsearch(&words[i], &tree, by_text);
  twalk(tree, visit);
  qsort(words, 8, sizeof *words, by_text);
  const char* key = "stub";
  const char** found = bsearch(&key, words, 8, sizeof *words, by_text);
  printf("%s at %ld\n", *found, (long)(found - words));
  return 0;
}
