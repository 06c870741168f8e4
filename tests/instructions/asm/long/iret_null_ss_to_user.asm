; IRETQ to CPL 3 with a null SS is #GP(0); to compatibility mode with a null SS too (SDM Vol. 2, IRET).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! event #GP(UDATA & ~3) rip=three
    push 3
    push STACK3
    push 2
    push UCODE64
    push there
    FAULTS one, iretq
    push 0
    push STACK0
    push 2
    push CODE32
    push there
    FAULTS two, iretq
    push UDATA
    push STACK0
    push 2
    push CODE64
    push there
    FAULTS three, iretq
there:
    END
