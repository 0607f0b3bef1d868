// Every quadword of the red zone holds a value across many kinds of instructions.
#include "check_main.inc"
check:
  mov $16, %ecx
1: mov %rcx, %rsi
  imul $0x1111, %rsi
  neg %rcx
  mov %rsi, (%rsp,%rcx,8)
  neg %rcx
  dec %ecx
  jnz 1b
  jmp 2f
3: mov $16, %ecx
4: neg %rcx
  add (%rsp,%rcx,8), %rax
  neg %rcx
  rol $3, %rax
  loop 4b
  ret
2: test %eax, %eax
  cmp $1, %ecx
  jb 3b
  mov $0xbad, %edx
  ret
