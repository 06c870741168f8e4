; The trap after HLT ends the halt (SDM Vol. 2, HLT: debug exceptions resume execution).
;! mode prot32
;! event #DB rip=after
;! dr6 & 0x4000 = 0x4000
    push dword TF|2
    popfd
    hlt
after:
    nop
