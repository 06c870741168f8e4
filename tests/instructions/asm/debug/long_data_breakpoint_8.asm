; LEN 2 is eight bytes in 64-bit mode (SDM Vol. 3, 18.2.4).
;! mode long
;! event #DB rip=one
;! dr6 & 0xf = 1
    mov eax, DATA
    mov dr0, rax
    mov eax, 0xb << 16 | 1
    mov dr7, rax
    mov byte [abs DATA + 8], 1
    mov byte [abs DATA + 7], 1
one:
    nop
