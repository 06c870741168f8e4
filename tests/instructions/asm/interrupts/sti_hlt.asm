; STI followed by HLT: the interrupt comes when HLT is executed, and its return address is after HLT
; (SDM Vol. 2, STI and HLT).
;! mode prot32
;! event 0x40 rip=after
    RETURN_FROM 0x40
    INTR_AFTER 0x40, 0
    sti
    hlt
after:
    cli
    END
