// push, pop, call and jmp through rsp; ret with an immediate; enter and leave.
#include "check_main.inc"
check:
  push %rbp
  push %rsp
  pop %rcx
  sub %rsp, %rcx                # 0: push stores the old rsp
  mov %rcx, %r8
  push $0x11
  push $0x22
  push (%rsp)
  push 8(%rsp)
  pop %rax
  add (%rsp), %rax
  popq 8(%rsp)
  pop %rcx
  add %rcx, %rax
  pop %rcx
  lea 1f(%rip), %rcx
  push %rcx
  call *(%rsp)
  pop %rcx
  lea 2f(%rip), %rcx
  push %rcx
  push %rcx
  call *8(%rsp)
  pop %rcx
  jmp *-8(%rsp)
  nop
3: pop %rcx
  add $0x10, %rdx
  enter $32, $0
  movq $9, -8(%rbp)
  add -8(%rbp), %rdx
  leave
  push $1
  push $2
  call 4f
  mov %rsp, %rcx
  push %rsp
  pop %rsp
  sub %rsp, %rcx
  add %rcx, %r8
  pop %rbp
  ret
1: add $1, %rdx
  ret
2: add $2, %rdx
  lea 3b(%rip), %rcx
  mov %rcx, 8(%rsp)             # the slot that jmp *-8(%rsp) reads after the pop
  ret
4: add 8(%rsp), %rdx
  ret $16
