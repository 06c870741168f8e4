; A null selector in SS is #GP(0) outside 64-bit mode (SDM Vol. 2, MOV).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! ss = DATA32
    xor eax, eax
    FAULTS one, mov ss, ax
    push dword 0
    FAULTS two, pop ss
    END
