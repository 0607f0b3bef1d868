// loop, loope, loopne, jrcxz and jecxz: rel8 only, forwards and backwards, taken and not.
#include "check_main.inc"
check:
  mov $10, %ecx
1: add $3, %rax
  loop 1b
  mov $10, %ecx
2: inc %rdx
  cmp $5, %rdx
  loopne 2b
  add %rcx, %rax
  mov $10, %ecx
3: inc %r8
  cmp %r8, %r8
  loope 3b
  jrcxz 4f
  mov $0xbad, %eax
4: add $0x1000, %rax
  movabs $0x100000000, %rcx
  jecxz 5f                      # ecx is 0, rcx is not
  mov $0xbad, %edx
5: jrcxz 6f
  add $0x2000, %rax
6: mov $2, %ecx
7: jrcxz 8f
  dec %ecx
  jmp 7b
8: mov $3, %ecx
9: add $1, %rdx
  addr32 loop 9b
  ret
