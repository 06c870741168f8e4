; With RPL 3, ring 0 cannot load a segment of DPL 0 (SDM Vol. 3, 5.5).
;! mode prot32
;! event #GP(DATA32) rip=one
;! event #GP(TSS32_SEL) rip=two
;! es = UDATA
    mov ax, UDATA
    mov es, ax
    mov ax, DATA32 | 3
    FAULTS one, mov es, ax
    mov ax, TSS32_SEL
    FAULTS two, mov es, ax
    END
