; CR1 and CR5 to CR7 are #UD; the mod field of the operand is ignored (SDM Vol. 2, MOV control registers).
;! mode prot32
;! event #UD rip=one
;! event #UD rip=two
;! event #UD rip=three
;! ebx = 0x12345678
    FAULTS one, {db 0x0f, 0x20, 0xc8}
    FAULTS two, {db 0x0f, 0x22, 0xe8}
    FAULTS three, {db 0x0f, 0x20, 0xf8}
    mov eax, 0x12345678
    mov cr2, eax
    db 0x0f, 0x20, 0x13         ; mov ebx, cr2 with mod 00
    END
