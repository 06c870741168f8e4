; A TSS with a limit below 67H is #TS(TSS selector), in the old task; one that is not present #NP
; (SDM Vol. 3, 8.3, table 8-1).
;! mode prot32
;! event #TS(BRIEF) rip=one
;! event #NP(ABSENT) rip=two
;! event #TS(BRIEF16) rip=three
;! tr = TSS32_SEL
;! byte [GDT + BRIEF + 5] = 0x89
NEW_SEGMENT BRIEF, TSS32B, 0x66, 0x89, 0
NEW_SEGMENT BRIEF16, TSS32B, 0x2a, 0x81, 0
NEW_SEGMENT ABSENT, TSS32B, 0x67, 0x09, 0
    FAULTS one, jmp BRIEF:0
    FAULTS two, jmp ABSENT:0
    FAULTS three, call BRIEF16:0
    END
