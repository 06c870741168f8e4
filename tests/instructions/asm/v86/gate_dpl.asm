; With IOPL 3, INT n checks the gate's DPL against CPL 3 (SDM Vol. 3, 21.2.7 and table 21-2).
;! mode v86 iopl=3
;! event #GP(0x20*8+2) rip=one
;! event 0x90 rip=two+2
    FAULTS one, int 0x20
    FAULTS two, int 0x90
    END
