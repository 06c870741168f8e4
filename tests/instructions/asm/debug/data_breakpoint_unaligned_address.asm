; The low bits of a breakpoint's address are ignored as its length says (SDM Vol. 3, 18.2.5).
;! mode prot32
;! event #DB rip=one
;! ebx = 1
    RETURN_FROM 1
    mov eax, DATA + 7
    mov dr0, eax
    mov eax, 0xd << 16 | 1
    mov dr7, eax
    mov byte [DATA + 4], 1
one:
    mov byte [DATA + 8], 1
    inc ebx
    END
