// Instructions of all sorts under names of their own, for tests that call hooks at them.
#include "check_main.inc"
check:
  push %rbx
  push %r12
  mov $0x1122334455667788, %rbx
  mov $5, %eax
site_add:
  add $2, %eax                  # eax 7
  mov $0x10, %edx
site_store:
  mov %rdx, value(%rip)
site_load:
  mov value(%rip), %r8          # r8 0x10
site_byte:
  mov %bl, %cl
site_high:
  mov %bh, %ch
site_word:
  mov %bx, %si
site_long:
  mov %ebx, %edi
site_quad:
  mov %rbx, %r9
  cmp $7, %eax
site_jcc:
  je 1f
  add $0x100, %r8
1:mov $3, %ecx
2:inc %rdx
site_loop:
  loop 2b                       # rdx 0x13
  lea helper(%rip), %r12
site_call:
  call *%r12                    # r8 + 1
  lea table(%rip), %r10
  mov $2, %r11d
site_index:
  movslq 4(%r10,%r11,4), %rcx   # table[3]
  add %rcx, %r8                 # + 0x20
  movabs $0x4000000040000000, %rcx
  movq %rcx, %xmm1
  movlhps %xmm1, %xmm1
site_vector:
  paddd %xmm1, %xmm1
  movq %xmm1, %rcx
  shr $60, %rcx
  add %rcx, %r8                 # + 8
site_push:
  pushq 8(%rsp)
  pop %rbx
site_fs:
  mov %fs:0, %rcx
  pop %r12
  pop %rbx
site_out:
  ret
  .type helper, @function
helper:
  inc %r8
site_ret:
  ret
  .size check, .-check
  .data
  .balign 8
value:
  .quad 0
table:
  .long 1, 2, 3, 0x20, 5
