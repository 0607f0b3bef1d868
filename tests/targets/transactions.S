// xbegin: its abort target is a relative branch. Runs where the CPU has RTM, else is only relocated.
#include "check_main.inc"
check:
  push %rbx
  mov $7, %eax
  xor %ecx, %ecx
  cpuid
  bt $11, %ebx
  mov $0, %eax
  mov $0, %edx
  jnc 2f
  xbegin 1f
  xabort $5
1: 
2: mov $1, %eax
  xor %edx, %edx
  pop %rbx
  ret
