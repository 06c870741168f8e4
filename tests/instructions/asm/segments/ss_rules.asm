; SS takes only a writable data segment with RPL and DPL equal to CPL (SDM Vol. 3, 5.7).
;! mode prot32
;! event #GP(DATA32) rip=one
;! event #GP(UDATA & ~3) rip=two
;! event #GP(UDATA & ~3) rip=three
;! event #GP(READONLY) rip=four
;! event #GP(CODE32) rip=five
;! ss = DATA32
NEW_SEGMENT READONLY, 0, 0xfffff, 0x90, 0xc
    mov ax, DATA32 | 3
    FAULTS one, mov ss, ax
    mov ax, UDATA
    FAULTS two, mov ss, ax
    mov ax, UDATA & ~3
    FAULTS three, mov ss, ax
    mov ax, READONLY
    FAULTS four, mov ss, ax
    mov ax, CODE32
    FAULTS five, mov ss, ax
    END
