; INVLPG of a register is #UD, and of an address that is not canonical does nothing (SDM Vol. 2, INVLPG).
;! mode long
;! event #UD rip=one
    FAULTS one, {db 0x0f, 0x01, 0xfd}
    mov rax, 0x800000000000
    invlpg [rax]
    END
