; After STI an interrupt is held off until the next instruction has been executed (SDM Vol. 2, STI).
;! mode prot32
;! event 0x40 rip=after
;! ebx = 1
    RETURN_FROM 0x40
    INTR_AFTER 0x40, 0
    nop
    sti
    inc ebx
after:
    cli
    END
