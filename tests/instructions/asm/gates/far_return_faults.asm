; RET far to an inner level, to null, to data, or past the limit is #GP at the RET (SDM Vol. 2, RET).
;! mode prot32 cpl=3
;! event #GP(CODE32) rip=one sp=STACK3-8
;! event #GP(0) rip=two
;! event #GP(UDATA & ~3) rip=three
;! event #NP(ABSENT) rip=four
;! event #GP(0) rip=five
NEW_SEGMENT ABSENT, 0, 0xfffff, 0x7a, 0xc
NEW_SEGMENT TINY, 0, 0xff, 0xfa, 4
    push dword CODE32
    push dword one
    FAULTS one, retf
    push dword 0
    push dword one
    FAULTS two, retf
    push dword UDATA
    push dword one
    FAULTS three, retf
    push dword ABSENT | 3
    push dword one
    FAULTS four, retf
    push dword TINY | 3
    push dword one
    FAULTS five, retf
    END
