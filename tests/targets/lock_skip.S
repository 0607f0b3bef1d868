// A jump into the middle of an instruction, past its lock prefix, as glibc does.
#include "check_main.inc"
  .data
cell: .quad 0
  .text
check:
  mov $4, %ecx
1: test $1, %cl
  je 2f
  lock
2: incq cell(%rip)
  dec %ecx
  jnz 1b
  mov cell(%rip), %rax
  cmpl $0, %fs:0x18
  je 3f
  lock
3: xaddq %rax, cell(%rip)
  mov cell(%rip), %rdx
  ret
