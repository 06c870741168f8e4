; Loading a segment register sets the accessed bit of the descriptor; LAR does not (SDM Vol. 3, 3.4.5.1).
;! mode prot32
;! byte [GDT + FRESH + 5] = 0x93
;! byte [GDT + OTHER + 5] = 0x92
;! byte [GDT + CODE + 5] = 0x9b
;! byte [GDT + NEVER + 5] = 0x12
;! event #NP(NEVER) rip=one
NEW_SEGMENT FRESH, 0, 0xfffff, 0x92, 0xc
NEW_SEGMENT OTHER, 0, 0xfffff, 0x92, 0xc
NEW_SEGMENT CODE, 0, 0xfffff, 0x9a, 0xc
NEW_SEGMENT NEVER, 0, 0xfffff, 0x12, 0xc
    mov ax, FRESH
    mov es, ax
    mov ax, OTHER
    lar ecx, ax
    mov ax, NEVER
    FAULTS one, mov fs, ax
    jmp CODE:next
next:
    END
