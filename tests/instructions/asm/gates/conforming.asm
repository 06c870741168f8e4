; Conforming code is entered at the caller's level (SDM Vol. 3, 5.8.1.2).
;! mode prot32 cpl=3
;! cpl = 3
;! cs = CONFORMING | 3
;! event #GP(CODE32) rip=one
NEW_SEGMENT CONFORMING, 0, 0xfffff, 0x9e, 0xc
    FAULTS one, jmp CODE32:there
    jmp CONFORMING:there
there:
    END
