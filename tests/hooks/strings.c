/* String instructions, which go the wrong way if the direction flag is set. */
#include <punster/hook.h>

static char from[64] = "forward", to[64];

void entry(void) {
  void *d = to, *s = from;
  size_t n = 8;
  __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n)::"memory");
  if (strcmp(to, "forward") != 0) hook_printf("backward\n");
  memset(to, 0, sizeof to);
}
