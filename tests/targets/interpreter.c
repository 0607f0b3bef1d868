// Computed gotos: label addresses in a table of relative offsets.
#include <stdio.h>

static long run(const unsigned char* code) {
  static const int table[] = {&&halt - &&halt, &&push - &&halt, &&add - &&halt, &&mul - &&halt,
                              &&dup - &&halt,  &&dec - &&halt,  &&loop - &&halt};
  long stack[16], *top = stack, count = 0;
  const unsigned char* pc = code;
#define NEXT goto *(&&halt + table[*pc++])
  NEXT;
push: *top++ = *pc++; NEXT;
add: top--; top[-1] += *top; NEXT;
mul: top--; top[-1] = (top[-1] * *top) % 1000003; NEXT;
dup: *top = top[-1]; top++; NEXT;
dec: count++; NEXT;
loop: if (count < 50) pc = code + *pc; else pc++; NEXT;
halt: return top[-1];
}

int main(void) {
  const unsigned char code[] = {1, 3, 4, 3, 1, 9, 2, 5, 6, 2, 0};
  printf("%ld\n", run(code));
  return 0;
}
