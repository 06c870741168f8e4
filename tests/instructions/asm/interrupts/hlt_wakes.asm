; HLT waits for an interrupt; the saved RIP is that of the instruction after it (SDM Vol. 2, HLT).
;! mode long
;! event 0x40 rip=after
;! event NMI rip=after2
    RETURN_FROM 0x40
    RETURN_FROM 2
    INTR_AFTER 0x40, 100
    sti
    hlt
after:
    cli
    NMI_AFTER 100
    hlt
after2:
    END
