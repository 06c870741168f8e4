; INT n, INT3 and INTO check the gate's DPL; exceptions and external interrupts do not
; (SDM Vol. 3, 6.12.1.1): the error code is the vector * 8 + 2.
;! mode prot32 cpl=3 flags=IF
;! event #GP(0x20*8+2) rip=one
;! event #GP(3*8+2) rip=two
;! event #GP(4*8+2) rip=three
;! event #UD rip=four cs=UCODE32
;! event 0x20 rip=five
    mov byte [IDT32 + 3*8 + 5], 0x8e
    mov byte [IDT32 + 4*8 + 5], 0x8e
    FAULTS one, int 0x20
    FAULTS two, int3
    mov al, 0x7f
    inc al
    FAULTS three, into
    FAULTS four, ud2
    RETURN_FROM 0x20
    INTR_AFTER 0x20, 0
five:
    END
