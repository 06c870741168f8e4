; POPF at CPL above IOPL leaves IF and IOPL, without a fault; CLI and STI are #GP(0)
; (SDM Vol. 2, POPF, table 4-21).
;! mode prot32 cpl=3 flags=IF
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! flags & (IF|IOPL3|DF|CF|NT) = IF|DF|CF
    push dword DF|CF|IOPL3|2
    popfd
    FAULTS one, cli
    FAULTS two, sti
    push dword DF|CF|IOPL3|2
    popfd
    END
