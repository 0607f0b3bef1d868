# Where control comes in and goes out. Machine state is the program's: every register and flag is
# given back as it was, vector state is never touched (nothing here is compiled to use it).

#include <asm/unistd.h>

        .section .text.entry, "ax", @progbits

# PunsterConfig (loader_abi.h): zeros here, filled in by backend/emit. In the code segment, because its
# own address is the only thing that the code knows, and relative to itself.
        .globl  punster_config
        .hidden punster_config
        .balign 16
punster_config:
        .zero   32

# arrive HOW: saves everything, has punster_start(original rsp, HOW) do the work, gives everything back
# and goes to the address that it returned. That address waits in the word below the original rsp.
.macro arrive how
        endbr64
        lea     -8(%rsp), %rsp
        pushfq
        push    %rax
        push    %rcx
        push    %rdx
        push    %rbx
        push    %rbp
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        cld
        lea     17*8(%rsp), %rdi
        mov     $\how, %esi
        jmp     arrived
.endm

        .globl  punster_entry           # e_entry of an executable: rsp points at argc
        .type   punster_entry, @function
        .balign 16
punster_entry:
        arrive  0

        .globl  punster_init            # DT_INIT, or a slot of DT_INIT_ARRAY: an ordinary call
        .type   punster_init, @function
        .balign 16
punster_init:
        arrive  1

        .balign 16
arrived:
        mov     %rsp, %rbx
        and     $-16, %rsp
        call    punster_start
        mov     %rbx, %rsp
        mov     %rax, 16*8(%rsp)
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rbp
        pop     %rbx
        pop     %rdx
        pop     %rcx
        pop     %rax
        popfq
        lea     8(%rsp), %rsp
        jmp     *-8(%rsp)

# Where to go from DT_INIT when the object had none.
        .globl  punster_return
        .hidden punster_return
punster_return:
        ret

        .section .note.GNU-stack, "", @progbits
