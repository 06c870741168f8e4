; A single-step trap comes before an external interrupt, which is taken when the handler lets it
; (SDM Vol. 3, table 6-2).
;! mode prot32 flags=IF
;! event #DB rip=one
;! event 0x40 rip=one
;! event #DB rip=two
;! event #DB rip=three
    RETURN_FROM 0x40
    RETURN_FROM 1
    push dword TF|IF|2
    INTR_AFTER 0x40, 2
    popfd
    nop
one:
    push dword 2
two:
    popfd
three:
    END
