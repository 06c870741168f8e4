; A segment that is not present is #NP(selector), in SS #SS(selector) (SDM Vol. 3, 6.15, interrupts 11
; and 12).
;! mode prot32
;! event #NP(ABSENT) rip=one
;! event #SS(ABSENT) rip=two
;! event #NP(ABSENT_CODE) rip=three
;! es = DATA32
NEW_SEGMENT ABSENT, 0, 0xfffff, 0x12, 0xc
NEW_SEGMENT ABSENT_CODE, 0, 0xfffff, 0x1a, 0xc
    mov ax, ABSENT
    FAULTS one, mov es, ax
    FAULTS two, mov ss, ax
    FAULTS three, jmp ABSENT_CODE:one
    END
