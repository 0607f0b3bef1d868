// Flags live across instructions that must not change them.
#include "check_main.inc"
check:
  mov $64, %ecx
  mov $0x9e3779b97f4a7c15, %rsi
1: add %rsi, %rax
  mov %rsi, %rdi
  lea 5(%rdi), %rdi
  adc $0, %rdx                  # the carry of the add above
  nop
  push %rdi
  pop %rdi
  cmp %rdi, %rax
  mov %rax, %r9
  xchg %r9, %r10
  jb 2f
  setg %r8b
2: rcl $1, %rsi
  dec %ecx
  jnz 1b
  std
  pushfq
  pop %r9
  cld
  and $0x400, %r9
  add %r9, %r8
  ret
