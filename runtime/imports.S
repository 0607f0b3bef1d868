# What the slots of owned functions are led to: stub number N is 16*N bytes from punster_imports. All
# arguments stay in their registers; N becomes a seventh one.

#include <asm/unistd.h>

        .section .text.entry, "ax", @progbits

        .globl  punster_imports
        .hidden punster_imports
        .balign 16
punster_imports:
        .set    number, 0
        .rept   48                              # imports.c asserts that these are enough
        .balign 16
        endbr64
        mov     $number, %eax
        jmp     1f
        .set    number, number + 1
        .endr
1:      push    %rax
        call    punster_own_function
        lea     8(%rsp), %rsp
        ret

        .section .note.GNU-stack, "", @progbits
