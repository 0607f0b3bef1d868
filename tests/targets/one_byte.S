// Runs of one-byte instructions: no jump fits, each must be punned over its followers or trapped.
#include "check_main.inc"
check:
  push %rbp
  push %rbx
  push %r12
  push %rax
  push %rcx
  push %rdx
  pop %rdx
  pop %rcx
  pop %rax
  stc
  cmc
  clc
  cld
  nop
  cwtl
  cltd
  cltq
  cqto
  lahf
  sahf
  pushfq
  popfq
  mov $0x1234, %eax
  xchg %rax, %rdx
  xchg %rax, %rdx
  push %rbp
  mov %rsp, %rbp
  push %rax
  leave
  call 1f
  pop %r12
  pop %rbx
  pop %rbp
  ret
1: push %rax
  pop %r8
  nop
  ret
