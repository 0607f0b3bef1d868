// The last instructions of executable sections: no bytes follow that a pun could borrow.
#include "check_main.inc"
check:
  call tail_ret
  call tail_jump
  call tail_short
  ret
back:
  add $4, %rax
  ret
  .section .text.tail_a, "ax", @progbits
tail_ret:
  add $1, %rax
  ret
  .section tail_b, "ax", @progbits
tail_jump:
  add $2, %rax
  jmp back
  .section tail_c, "ax", @progbits
  .skip 3, 0x90
1: inc %rdx
  ret
tail_short:
  inc %r8
  jmp 1b
