// stderr and an exit status that is not 0.
#include <stdio.h>

int main(void) {
  fputs("to stderr\n", stderr);
  puts("to stdout");
  return 42;
}
