; A breakpoint that no bit of DR7 enables does nothing (SDM Vol. 3, 18.2.4).
;! mode prot32
;! dr6 = 0xffff0ff0
    mov eax, here
    mov dr0, eax
    mov eax, DATA
    mov dr1, eax
    mov eax, 0xf << 20 | 0x300
    mov dr7, eax
    mov [DATA], eax
here:
    END
