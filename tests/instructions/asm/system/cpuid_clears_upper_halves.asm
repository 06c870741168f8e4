; CPUID writes 32 bits, so that in 64-bit mode the upper halves are cleared (SDM Vol. 2, CPUID).
;! mode long
;! rbx = 0x756e6547
;! rdx = 0x49656e69
;! rcx = 0x6c65746e
;! rbp = 0
    mov rbx, -1
    mov rcx, -1
    mov rdx, -1
    mov rax, 0xffffffff00000000
    cpuid
    mov rbp, rax
    shr rbp, 32
    END
