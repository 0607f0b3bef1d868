// Conditional tail calls: jcc and jmp straight to other functions, across a large distance.
#include "check_main.inc"
check:
  mov $20, %ecx
even_step:
  test %ecx, %ecx
  je done
  dec %ecx
  add $1, %rax
  test $1, %cl
  jne odd_step
  jmp even_step
  .skip 70000, 0xcc
odd_step:
  add $0x100, %rdx
  dec %ecx
  jmp even_step
done:
  lea (%rax,%rdx), %r8
  ret
