; In long mode a handler's segment must be 64-bit code, and 16-bit gates and task gates are #GP
; (SDM Vol. 3, 6.14.1).
;! mode long
;! event #GP(CODE32) rip=one
;! event #GP(0x51*16/2+2) rip=two
;! event #GP(0x52*16/2+2) rip=three
;! event #NP(0x53*8+2) rip=four
    SET_GATE64 0x50, one, CODE32, 0x8e, 0
    SET_GATE64 0x51, one, CODE64, 0x86, 0
    SET_GATE64 0x52, one, CODE64, 0x85, 0
    SET_GATE64 0x53, one, CODE64, 0x0e, 0
    FAULTS one, int 0x50
    FAULTS two, int 0x51
    FAULTS three, int 0x52
    FAULTS four, int 0x53
    END
