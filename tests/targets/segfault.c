// A crash stays a crash with the same signal, at the same moment.
#include <stdio.h>

int main(int argc, char** argv) {
  (void)argv;
  puts("before");
  fflush(stdout);
  volatile int* nowhere = (volatile int*)(long)(argc * 16);
  *nowhere = 1;
  puts("after");
  return 0;
}
