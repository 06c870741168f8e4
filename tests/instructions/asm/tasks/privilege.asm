; A TSS can be called directly only with CPL and RPL at most its DPL (SDM Vol. 3, 8.3).
;! mode prot32 cpl=3
;! event #GP(TSS32B_SEL) rip=one
;! event #GP(TSS32B_SEL) rip=two
    FAULTS one, jmp TSS32B_SEL:0
    FAULTS two, call TSS32B_SEL | 3:0
    END
