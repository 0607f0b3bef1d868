// Indirect jumps and calls through registers and tables, with notrack and bnd prefixes.
#include "check_main.inc"
  .section .data.rel.ro, "aw"
table: .quad case0, case1, case2, case3
  .text
check:
  xor %ecx, %ecx
1: lea table(%rip), %rsi
  mov %rcx, %rdi
  and $3, %edi
  notrack jmp *(%rsi,%rdi,8)
case0: add $1, %rax
  jmp 2f
case1: lea 2f(%rip), %r9
  add $0x10, %rax
  jmp *%r9
case2: lea leaf_a(%rip), %r9
  call *%r9
  bnd jmp 2f
case3: call *table2(%rip)
2: inc %ecx
  cmp $10, %ecx
  jne 1b
  ret
leaf_a: inc %rdx
  repz ret
leaf_b: inc %r8
  bnd ret
  .data
table2: .quad leaf_b
