; DPL must be at least CPL and RPL for data, but not for conforming code (SDM Vol. 3, 5.5 and 5.5.1).
;! mode prot32 cpl=3
;! event #GP(DATA32) rip=one
;! event #GP(CODE32) rip=two
;! event #GP(EXECONLY & ~3) rip=three
;! es = UDATA
;! fs = CONFORMING
;! gs = UDATA & ~3
NEW_SEGMENT CONFORMING, 0, 0xfffff, 0x9e, 0xc
NEW_SEGMENT EXECONLY, 0, 0xfffff, 0xf8, 0xc
    mov ax, DATA32
    FAULTS one, mov es, ax
    mov ax, CODE32
    FAULTS two, mov es, ax
    mov ax, EXECONLY
    FAULTS three, mov es, ax
    mov ax, CONFORMING
    mov fs, ax
    mov ax, UDATA & ~3
    mov gs, ax
    END
