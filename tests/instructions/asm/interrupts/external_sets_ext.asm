; When the delivery of an external interrupt or exception faults, bit 0 of the error code is set
; (SDM Vol. 3, 6.13).
;! mode prot32 flags=IF
;! event #NP(0x50*8+3) rip=one
;! event #GP(DATA32|1) rip=two
;! event #NP(6*8+3) rip=three
    mov byte [IDT32 + 0x50*8 + 5], 0x0e
    mov word [IDT32 + 0x53*8 + 2], DATA32
    RETURN_FROM 11
    RETURN_FROM 13
    INTR_AFTER 0x50, 0
one:
    INTR_AFTER 0x53, 0
two:
    mov byte [IDT32 + 6*8 + 5], 0x0e
    mov byte [POLICY + 11], 0
three:
    ud2
