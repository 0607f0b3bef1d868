/* punster_hook_vector_call: calls the function in rax with all vector state saved around it. Linked into files made by
 * `punster cc --vector`; trampolines call this instead of the function.
 *
 * Arguments are where they are for the function: six registers, two words on the stack. All caller-saved registers
 * belong to the trampoline's caller, who saved them. The area is made by xsave in its standard format, of the parts
 * that compilers use: x87, SSE, AVX and AVX-512 (never AMX's tiles, nor the protection keys); by fxsave where the
 * processor or the kernel has no xsave. The function then finds the state that a new program has. */

        .equ    parts, 0xe7             /* of XCR0: x87 1, SSE 2, AVX 4, AVX-512 0xe0 */

        .text
        .globl  punster_hook_vector_call
        .type   punster_hook_vector_call, @function
punster_hook_vector_call:
        push    %rbp
        mov     %rsp, %rbp
        mov     %rax, %r11
        mov     %rdx, %r10
        mov     area_size(%rip), %eax
        test    %eax, %eax
        jz      .Lmeasure
.Lmeasured:
        sub     %rax, %rsp
        and     $-64, %rsp
        mov     saved_parts(%rip), %eax
        test    %eax, %eax
        jz      .Lfxsave
        xor     %edx, %edx              /* the header, which xsave does not write all of */
        .irp    offset, 512, 520, 528, 536, 544, 552, 560, 568
        mov     %rdx, \offset(%rsp)
        .endr
        xsave64 (%rsp)
        test    $4, %al
        jz      .Lcall
        vzeroupper
.Lcall:
        fninit
        pushq   $0x1f80
        ldmxcsr (%rsp)
        pop     %rdx
        pushq   24(%rbp)                /* the seventh and eighth argument, if there are any */
        pushq   16(%rbp)
        mov     %r10, %rdx
        call    *%r11
        add     $16, %rsp
        mov     %rax, %r11
        mov     saved_parts(%rip), %eax
        test    %eax, %eax
        jz      .Lfxrstor
        xor     %edx, %edx
        xrstor64 (%rsp)
        jmp     .Ldone
.Lfxsave:
        fxsave64 (%rsp)
        jmp     .Lcall
.Lfxrstor:
        fxrstor64 (%rsp)
.Ldone:
        mov     %r11, %rax
        leave
        ret

/* Once, in whichever thread comes first; should two come at a time, both find the same. */
.Lmeasure:
        push    %rbx
        push    %rcx
        push    %r10
        push    %rdi
        push    %rsi
        mov     $512, %edi
        xor     %esi, %esi
        mov     $1, %eax
        cpuid
        bt      $27, %ecx               /* OSXSAVE */
        jnc     .Lstore
        xor     %ecx, %ecx
        xgetbv
        and     $parts, %eax
        mov     %eax, %esi
        mov     $576, %edi
        mov     $2, %ebx                /* parts 2 and up have their places told */
.Lpart:
        bt      %ebx, %esi
        jnc     .Lnext
        mov     %ebx, %ecx
        push    %rbx
        mov     $13, %eax
        cpuid                           /* eax: bytes, ebx: where */
        add     %ebx, %eax
        pop     %rbx
        cmp     %edi, %eax
        cmova   %eax, %edi
.Lnext:
        inc     %ebx
        cmp     $8, %ebx
        jb      .Lpart
.Lstore:
        mov     %esi, saved_parts(%rip)
        mov     %edi, area_size(%rip)   /* last: it says that both are known */
        mov     %edi, %eax
        pop     %rsi
        pop     %rdi
        pop     %r10
        pop     %rcx
        pop     %rbx
        jmp     .Lmeasured
        .size   punster_hook_vector_call, .-punster_hook_vector_call

        .local  area_size, saved_parts
        .comm   area_size, 4, 4
        .comm   saved_parts, 4, 4
        .section .note.GNU-stack, "", @progbits
