// Prefixed and padded forms: long nops executed, data16, rex without need, segment overrides.
#include "check_main.inc"
  .data
cell: .quad 40
  .text
check:
  nopw 0x0(%rax,%rax,1)
  .byte 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00
  .byte 0x66, 0x90
  .byte 0x48, 0x90
  .byte 0xf3, 0x90
  .byte 0x2e, 0x74, 0x00        # je with a branch hint
  .byte 0x3e, 0x75, 0x00
  .byte 0x66, 0x66, 0x66, 0x48, 0x83, 0xc0, 0x05   # add $5, %rax
  .byte 0x40, 0x50, 0x40, 0x58  # rex push, rex pop
  .byte 0x48, 0xff, 0xc2        # inc %rdx
  lock addq $2, cell(%rip)
  mov %fs:0, %rcx
  cmp %fs:0, %rcx
  sete %r8b
  .byte 0x48; call helper_call   # rex.w call
  lea cell(%rip), %rsi
  lea cell(%rip), %rdi
  mov $8, %ecx
  rep movsb
  add cell(%rip), %rax
  addr32 lea 4(%eax), %ecx
  add %rcx, %rdx
  ret
helper_call:
  add $0x100, %rax
  ret
