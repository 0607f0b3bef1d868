/* What punster/hook.h promises. */
#include <punster/hook.h>

static void check(int holds, const char* what) {
  if (!holds) hook_printf("not: %s\n", what);
}

void entry(void) {
  char text[64];
  check(hook_snprintf(text, sizeof text, "%d %5d|%-5d|%05d %x %X", -3, 42, 42, -42, 255, 255) > 0, "length");
  check(strncmp(text, "-3    42|42   |-0042 ff FF", 26) == 0, text);
  hook_snprintf(text, sizeof text, "%s %c %.2s %*d %lu %zu %hhd", "a", 'b', "cde", 3, 7, ~0ul, (size_t)1, 0x1ff);
  check(strcmp(text, "a b cd   7 18446744073709551615 1 -1") == 0, text);
  check(hook_snprintf(text, 4, "%s", "abcdef") == 3 && strcmp(text, "abc") == 0, "cut off");
  hook_snprintf(text, sizeof text, "%p %ld", (void*)0x10, -1L);
  check(strcmp(text, "0x10 -1") == 0, text);
  char* memory = hook_map(10000);
  check(memory && memory[9999] == 0, "zeroed memory");
  memset(memory, 7, 100);
  memmove(memory + 1, memory, 99);
  memcpy(memory + 200, memory, 100);
  check(memcmp(memory + 200, memory, 100) == 0 && memory[99] == 7 && strlen("four") == 4, "memory functions");
  hook_unmap(memory, 10000);
  check(hook_thread() == hook_process(), "the first thread has the number of the process");
  char* const variables[] = {(char*)"AB=2", (char*)"A=0x1f", NULL};
  check(hook_number(hook_variable((char**)variables, "A")) == 31 && !hook_variable((char**)variables, "C"), "variables");
  check(hook_number("-12x") == -12, "numbers");
  hook_printf("checked\n");
  hook_exit(3);
}
