// rsp holds no stack for a while: the main thread has an alternate stack for that.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  long before, after, sum = 0;
  __asm__ volatile(
      "mov %%rsp, %0\n mov %%rsp, %%r12\n mov $12345, %%rsp\n"
      "1: add %%rsp, %2\n sub $1, %%rsp\n cmp $12335, %%rsp\n jne 1b\n"
      "mov %%r12, %%rsp\n mov %%rsp, %1"
      : "=&r"(before), "=&r"(after), "+&r"(sum) : : "r12", "cc", "memory");
  printf("%d %ld\n", before == after, sum);
  return 0;
}
