; The limit of 15 bytes holds in real mode too (SDM Vol. 3, 21.1.4).
;! mode real
;! event #GP rip=one
    times 14 db 0x2e
    nop
    FAULTS one, {times 15 db 0x2e}
    nop
    END
