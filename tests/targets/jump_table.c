// flags: -O1
// A dense switch: the compiler emits a jump table and one indirect jump.
#include <stdio.h>

__attribute__((noinline)) static unsigned step(unsigned op, unsigned acc) {
  switch (op) {
    case 0: return acc + 1;
    case 1: return acc * 3;
    case 2: return acc ^ 0x55;
    case 3: return acc - 7;
    case 4: return acc << 1;
    case 5: return acc >> 1;
    case 6: return ~acc;
    case 7: return acc | 0x80;
    case 8: return acc & 0xffff;
    case 9: return acc % 1000;
    case 10: return acc + 0x1000;
    case 11: return acc * acc;
    default: return 0xdead;
  }
}

int main(void) {
  unsigned acc = 1;
  for (unsigned i = 0; i < 130; i++) {
    acc = step(i * 7 % 13, acc);
    if (i % 10 == 0) printf("%u %08x\n", i, acc);
  }
  return 0;
}
