; An EIP above FFFFH in the frame is #GP(0), in ring 0 (SDM Vol. 2, IRET).
;! mode prot32
;! event #GP(0) rip=fault cs=CODE32
    times 6 push dword 0
    push dword VM|2
    push dword 0
    push dword 0x10000
    FAULTS fault, iretd
    END
