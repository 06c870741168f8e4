; INT1 (F1H) does not check the gate's DPL (SDM Vol. 2, INT n/INTO/INT3/INT1).
;! mode prot32 cpl=3
;! event #DB rip=after cs=UCODE32
    db 0xf1
after:
    END
