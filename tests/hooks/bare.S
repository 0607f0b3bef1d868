/* For <naked> calls: changes nothing but what it is given. */
        .globl twice
        .type twice, @function
twice:  lea (%rdi,%rdi), %rdi
        mov %rdi, (%rsi)
        ret
        .size twice, .-twice
        .section .note.GNU-stack, "", @progbits
