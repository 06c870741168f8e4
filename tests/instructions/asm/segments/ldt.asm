; Selectors with TI set come from the LDT (SDM Vol. 3, 3.4.2 and 3.5.1).
;! mode prot32
;! dword [0x123456] = 0xabcd
;! ldtr = LDT_SEL
;! event #GP(0x1c) rip=one
    mov dword [DATA + 8], 0x34560fff
    mov dword [DATA + 12], 0x00409212
    mov ax, LDT_SEL
    lldt ax
    mov ax, 0xc
    mov es, ax
    mov dword [es:0], 0xabcd
    mov ax, 0x1c                ; type 0
    FAULTS one, mov es, ax
    END
