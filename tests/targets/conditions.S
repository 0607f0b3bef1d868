// All sixteen conditions, rel8 and rel32, taken and not taken.
#include "check_main.inc"
.macro one cc
  j\cc 1f
  shl $1, %rax
  jmp 2f
1: shl $1, %rax
  or $1, %rax
2: j\cc\().d32 3f
  add $1, %rdx
  jmp.d32 4f
3: add $0x100, %rdx
4:
.endm
.macro all
  .irp cc, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
  push %rcx
  popfq
  one \cc
  .endr
.endm
check:
  mov $0x202, %ecx              # no condition flag set
  all
  mov $0xac7, %ecx              # CF PF ZF SF OF
  all
  mov $0x283, %ecx              # CF SF
  all
  ret
