; The gate's DPL must be at least CPL and RPL; the target's at most CPL; a JMP must not change the level
; (SDM Vol. 3, 5.8.4).
;! mode prot32 cpl=3
;! event #GP(INNER) rip=one
;! event #GP(CODE32) rip=two
;! event #NP(ABSENT) rip=three
;! event #GP(0) rip=four
;! event #GP(DATA32) rip=five
;! event #NP(ABSENT_CODE) rip=six
;! event #GP(0) rip=seven
NEW_GATE INNER, one, CODE32, 0x8c, 0
NEW_GATE OUTER, one, CODE32, 0xec, 0
NEW_GATE ABSENT, one, CODE32, 0x6c, 0
NEW_GATE TO_NULL, one, 0, 0xec, 0
NEW_GATE TO_DATA, one, DATA32, 0xec, 0
NEW_SEGMENT ABSENT_CODE, 0, 0xfffff, 0x1a, 0xc
NEW_GATE TO_ABSENT, one, ABSENT_CODE, 0xec, 0
NEW_SEGMENT TINY, 0, 0xff, 0x9a, 4
NEW_GATE TO_FAR, one, TINY, 0xec, 0
    FAULTS one, call INNER:0
    FAULTS two, jmp OUTER | 3:0
    FAULTS three, call ABSENT | 3:0
    FAULTS four, call TO_NULL | 3:0
    FAULTS five, call TO_DATA | 3:0
    FAULTS six, call TO_ABSENT | 3:0
    FAULTS seven, call TO_FAR | 3:0
    END
