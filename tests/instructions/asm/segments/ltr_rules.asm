; LTR needs an available TSS in the GDT and marks it busy (SDM Vol. 2, LTR).
;! mode prot32
;! event #GP(TSS32_SEL) rip=one
;! event #GP(0) rip=two
;! event #GP(DATA32) rip=three
;! event #GP(TSS32B_SEL | 4) rip=four
;! event #NP(ABSENT) rip=five
;! byte [GDT + TSS32_SEL + 5] = 0x8b
;! byte [GDT + TSS32B_SEL + 5] = 0x8b
;! tr = TSS32B_SEL
NEW_SEGMENT ABSENT, TSS32, 0x67, 0x09, 0
    mov ax, TSS32_SEL
    FAULTS one, ltr ax
    xor eax, eax
    FAULTS two, ltr ax
    mov ax, DATA32
    FAULTS three, ltr ax
    mov ax, TSS32B_SEL | 4
    FAULTS four, ltr ax
    mov ax, ABSENT
    FAULTS five, ltr ax
    mov ax, TSS32B_SEL
    ltr ax
    END
