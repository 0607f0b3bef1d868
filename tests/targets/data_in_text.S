// Constants and tables among code: they are read, so not one of their bytes may change.
#include "check_main.inc"
check:
  lea table(%rip), %rsi
  mov $table_end - table, %ecx
1: movzbl -1(%rsi,%rcx), %edi
  add %rdi, %rax
  rol $5, %rax
  loop 1b
  lea offsets(%rip), %rsi
  mov $2, %ecx
2: movslq (%rsi,%rcx,4), %rdi
  add %rsi, %rdi
  call *%rdi
  dec %ecx
  jns 2b
  ret
table:                          # looks like code: jumps, calls, system calls
  .byte 0xeb, 0xfe, 0xe9, 0x00, 0x00, 0x00, 0x00, 0xe8, 0x01, 0x00, 0x00, 0x00
  .byte 0x0f, 0x05, 0x0f, 0x0b, 0xc3, 0x74, 0xfe, 0x0f, 0x84, 0x00, 0x00, 0x00
table_end:
  .balign 4
offsets:
  .long f0 - offsets, f1 - offsets, f2 - offsets
f0: add $1, %rdx
  ret
f1: add $0x10, %rdx
  ret
f2: add $0x100, %rdx
  ret
