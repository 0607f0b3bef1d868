# Where the kernel comes in with a trap's signal, and where a program's handler is entered.

#include <asm/unistd.h>

        .section .text.entry, "ax", @progbits

# HandlerStart of trap.c: other rewritten objects of the process know the handler by this.
        .globl  punster_handler
        .hidden punster_handler
        .balign 16
punster_handler:
        endbr64
        jmp     1f
        .byte   0xcc, 0xcc
        .ascii  "PUNTRAP"
        .byte   6                               # PUNSTER_ABI_VERSION
        .quad   punster_config - punster_handler
1:      jmp     punster_handle

# punster_enter_handler(rsp, handler, info, context, signal): as the kernel enters a handler.
        .globl  punster_enter_handler
        .hidden punster_enter_handler
punster_enter_handler:
        mov     %rdi, %rsp
        mov     %rsi, %r9
        mov     %r8d, %edi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        xor     %eax, %eax
        jmp     *%r9

# The end of every signal handler that brings no restorer of its own. Debuggers know a signal frame by
# these very bytes.
        .globl  punster_restorer
        .hidden punster_restorer
        .balign 16
punster_restorer:
        mov     $__NR_rt_sigreturn, %rax
        syscall

        .section .note.GNU-stack, "", @progbits
