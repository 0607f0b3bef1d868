// Instructions that end at, begin at and straddle page boundaries.
#include "check_main.inc"
  jmp check
  .balign 4096
  .skip 4091, 0x90
  jmp 1f                        # padded to end before the boundary
  .balign 4096, 0x90
1: add $1, %rax
  ret
  .balign 4096
  .skip 4096 - 3, 0x90
straddle:
  movabs $0x1122334455667788, %rdx   # 3 bytes before, 7 bytes after the boundary
  jmp.d32 at_end
  .balign 4096
  .skip 4096 - 6, 0x90
at_end:
  add $0x7f, %rax
  jmp last                      # its last byte is the page's last byte
  .balign 4096
last:
  inc %r8
  ret                           # first bytes of a page
  .balign 4096
  .skip 4096 - 1, 0x90
one_at_end:
  ret                           # one byte, the page's last
check:
  call straddle
  call one_at_end
  call straddle
  ret
