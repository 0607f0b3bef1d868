# property_call(function): loads property_context, calls the function on the stack given there, stores
# everything back. VECTOR_BYTES says how much of the vector registers this processor has: 16, 32 or 64.
        .hidden property_context, property_call
        .globl  property_call, _start
        .type   property_call, @function
        .set    flags_slot, 128
        .set    masks_slot, 136
        .set    vectors_slot, 256
        .bss
        .balign 8
caller_stack: .zero 8
entry:  .zero   8

        .macro  each_vector store
        .irpc   n, 01234567
        one_vector \n, \store
        .endr
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        one_vector \n, \store
        .endr
        .if VECTOR_BYTES == 64
        .irp    n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        one_vector \n, \store
        .endr
        .irpc   n, 01234567
        .if \store
        kmovq   %k\n, property_context+masks_slot+8*\n(%rip)
        .else
        kmovq   property_context+masks_slot+8*\n(%rip), %k\n
        .endif
        .endr
        .endif
        .endm

        .macro  one_vector n, store
        .if VECTOR_BYTES == 64
          .if \store
          vmovups %zmm\n, property_context+vectors_slot+64*\n(%rip)
          .else
          vmovups property_context+vectors_slot+64*\n(%rip), %zmm\n
          .endif
        .elseif VECTOR_BYTES == 32
          .if \store
          vmovups %ymm\n, property_context+vectors_slot+64*\n(%rip)
          .else
          vmovups property_context+vectors_slot+64*\n(%rip), %ymm\n
          .endif
        .else
          .if \store
          movups  %xmm\n, property_context+vectors_slot+64*\n(%rip)
          .else
          movups  property_context+vectors_slot+64*\n(%rip), %xmm\n
          .endif
        .endif
        .endm

        .macro  each_register store
        one_register rax, 0, \store
        one_register rcx, 1, \store
        one_register rdx, 2, \store
        one_register rbx, 3, \store
        one_register rsp, 4, \store
        one_register rbp, 5, \store
        one_register rsi, 6, \store
        one_register rdi, 7, \store
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        one_register r\n, \n, \store
        .endr
        .endm

        .macro  one_register name, slot, store
        .if \store
        mov     %\name, property_context+8*\slot(%rip)
        .else
        mov     property_context+8*\slot(%rip), %\name
        .endif
        .endm

        .text
property_call:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rdi, entry(%rip)
        mov     %rsp, caller_stack(%rip)
        fninit
        each_vector 0
        each_register 0
        # The flags last, by way of the new stack.
        pushq   property_context+flags_slot(%rip)
        popf
        call    *entry(%rip)
        each_register 1
        pushf
        popq    property_context+flags_slot(%rip)
        cld
        each_vector 1
        mov     caller_stack(%rip), %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
        .size   property_call, . - property_call

        .type   _start, @function
_start: xor     %ebp, %ebp
        and     $-16, %rsp
        call    property_start
        ud2
        .size   _start, . - _start
        .section .note.GNU-stack, "", @progbits
