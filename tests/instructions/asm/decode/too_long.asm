; More than 15 bytes are #GP(0), 15 are not (SDM Vol. 2, 2.3.11; Vol. 3, 6.15, interrupt 13).
;! mode long
;! event #GP(0) rip=one
;! ebx = 1
    times 14 db 0x66
    nop
    inc ebx
    FAULTS one, {times 15 db 0x66}
    END
