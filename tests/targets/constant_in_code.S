// Constants that only an operand relative to rip reads, each behind a jump over it: not one byte may change.
// From their third byte on they decode up to the code behind them; `45 cc` is an int3 with a prefix.
#include "check_main.inc"
check:
  .cfi_startproc
  mov 0f(%rip), %rax
  jmp 1f
0: .byte 0x45, 0xcc, 0xf2, 0x2d, 0x11, 0x22, 0x33, 0x44   # repne sub $0x44332211, %eax
1: add 2f(%rip), %edx
  jmp 3f
2: .byte 0xcc, 0x90, 0x31, 0xc0                           # int3; nop; xor %eax, %eax
3: movdqu 4f(%rip), %xmm0
  jmp 5f
4: .byte 0x66, 0x90, 0x48, 0x89, 0xc8, 0x48, 0x89, 0xd1, 0x48, 0x01, 0xca, 0x48, 0x29, 0xf0, 0x0f, 0x05
5: movq %xmm0, %rcx
  add %rcx, %rdx
  punpckhqdq %xmm0, %xmm0
  movq %xmm0, %r8
  ret
  .cfi_endproc
