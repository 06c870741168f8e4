; STI with IF set already holds nothing off (SDM Vol. 2, STI).
;! mode prot32 flags=IF
;! event 0x40 rip=after
;! ebx = 0
    INTR_AFTER 0x40, 1
    sti
after:
    inc ebx
    END
