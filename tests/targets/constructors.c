// Constructors, destructors, preinit: in the original's order, before and after main.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void say(const char* text) {
  int n = 0;
  while (text[n]) n++;
  if (write(1, text, (size_t)n) != n) _exit(99);
}
__attribute__((constructor(101))) static void first(void) { say("first\n"); }
__attribute__((constructor(102))) static void second(void) { say("second\n"); }
__attribute__((destructor(101))) static void last(void) { say("last\n"); }
__attribute__((destructor)) static void almost(void) { say("almost\n"); }
static void early(void) { say("preinit\n"); }
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = early;
static void at_exit(void) { say("atexit\n"); }

int main(void) {
  atexit(at_exit);
  say("main\n");
  return 0;
}
