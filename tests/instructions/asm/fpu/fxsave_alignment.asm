; FXSAVE and FXRSTOR of an address that is no multiple of 16 are #GP(0) (SDM Vol. 2, FXSAVE).
;! mode long
;! event #GP(0) rip=one
;! event #GP(0) rip=two
    FAULTS one, fxsave [abs DATA + 8]
    FAULTS two, fxrstor64 [abs DATA + 1]
    END
