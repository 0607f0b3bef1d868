// flags: -nostdlib -static
// No libc, no stack use, _start and two system calls.
  .globl _start
  .text
_start:
  mov $3, %ebx
1: mov $1, %eax
  mov $1, %edi
  lea text(%rip), %rsi
  mov $text_end - text, %edx
  syscall
  dec %ebx
  jnz 1b
  mov $60, %eax
  mov $17, %edi
  syscall
  .section .rodata
text: .ascii "bare\n"
text_end:
  .section .note.GNU-stack, "", @progbits
