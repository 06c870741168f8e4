; LDS whose selector cannot be loaded changes neither register (SDM Vol. 2, LDS).
;! mode prot32
;! event #NP(ABSENT) rip=fault
;! ebx = 0x1111
;! es = DATA32
NEW_SEGMENT ABSENT, 0, 0xfffff, 0x12, 0xc
    mov ebx, 0x1111
    FAULTS fault, les ebx, [pointer]
    END
pointer: dd 0x2222
    dw ABSENT
