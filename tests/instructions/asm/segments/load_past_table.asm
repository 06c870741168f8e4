; A selector past the limit of its table is #GP(selector) (SDM Vol. 3, 6.15, interrupt 13).
;! mode prot32
;! event #GP(0x800) rip=one
;! event #GP(0x1004) rip=two
;! event #GP(0xc) rip=three
;! ds = DATA32
    mov ax, 0x800
    FAULTS one, mov es, ax
    mov ax, LDT_SEL
    lldt ax
    mov ax, 0x1004
    FAULTS two, mov es, ax
    xor eax, eax
    lldt ax
    mov ax, 0xc
    FAULTS three, mov es, ax
    END
