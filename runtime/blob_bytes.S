        .section .rodata, "a", @progbits
        .globl  punster_blob_begin, punster_blob_end
        .balign 16
punster_blob_begin:
        .incbin "blob.bin"
punster_blob_end:
        .byte   0
        .section .note.GNU-stack, "", @progbits
