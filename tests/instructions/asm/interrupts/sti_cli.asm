; STI, CLI: no interrupt is taken in between (SDM Vol. 2, STI).
;! mode prot32
;! ebx = 1
    INTR_AFTER 0x40, 0
    sti
    cli
    sti
    cli
    inc ebx
    END
