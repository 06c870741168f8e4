; INT1 raises #DB without a change of DR6 (SDM Vol. 2, INT1; Vol. 3, 18.2.3).
;! mode prot32
;! event #DB rip=after
;! dr6 = 0xffff0ff0
    db 0xf1
after:
    nop
