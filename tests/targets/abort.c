// Death by a signal must stay death by the same signal.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  puts("about to abort");
  fflush(stdout);
  abort();
}
