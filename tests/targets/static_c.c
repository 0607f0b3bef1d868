// flags: -static
// Static: there is no ld.so, and IFUNC relocations are applied by our own start-up code.
#include <stdio.h>
#include <string.h>

int main(void) {
  char buffer[4096];
  memset(buffer, 'x', sizeof buffer);  // an IFUNC in a static glibc
  buffer[sizeof buffer - 1] = 0;
  printf("%zu %d %s\n", strlen(buffer), memcmp(buffer, buffer + 1, 100), strchr("a=b", '='));
  return 3;
}
