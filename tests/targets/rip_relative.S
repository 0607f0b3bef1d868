// Operands relative to rip, with no, 1-, 2- and 4-byte immediates behind the displacement.
#include "check_main.inc"
  .data
word: .quad 0x1122334455667788
scratch: .quad 0, 0
target: .quad 1f
  .balign 16
vector: .long 1, 2, 3, 4
  .text
check:
  mov word(%rip), %rax
  addq $1, word(%rip)
  addl $0x1000, word(%rip)
  addw $0x200, word(%rip)
  movq $0x7f, scratch(%rip)
  cmpb $0x7f, scratch(%rip)
  jne 2f
  imul $3, word(%rip), %rdx
  pushq word(%rip)
  popq scratch(%rip)
  lea word(%rip), %rcx
  mov (%rcx), %r8
  xor scratch(%rip), %r8
  mov $5, %esi
  lock xadd %rsi, word(%rip)
  shlq $4, word(%rip)
  btq $3, word(%rip)
  adc %rsi, %rdx
  movups vector(%rip), %xmm0
  pshufd $0x1b, vector(%rip), %xmm1
  paddd %xmm1, %xmm0
  movd %xmm0, %ecx
  add %rcx, %rdx
  jmp *target(%rip)
2: mov $0xbad, %eax
  ret
1: call *function(%rip)
  ret
leaf_function:
  add word(%rip), %rdx
  ret
  .data
function: .quad leaf_function
