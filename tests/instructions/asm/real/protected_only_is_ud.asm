; SLDT, STR, LLDT, LTR, LAR, LSL, VERR, VERW and ARPL are #UD in real mode (SDM Vol. 2, each).
;! mode real
;! event #UD rip=i1
;! event #UD rip=i2
;! event #UD rip=i3
;! event #UD rip=i4
;! event #UD rip=i5
;! event #UD rip=i6
;! event #UD rip=i7
;! event #UD rip=i8
;! event #UD rip=i9
    FAULTS i1, sldt ax
    FAULTS i2, str ax
    FAULTS i3, lldt ax
    FAULTS i4, ltr ax
    FAULTS i5, lar ax, bx
    FAULTS i6, lsl ax, bx
    FAULTS i7, verr ax
    FAULTS i8, verw ax
    FAULTS i9, arpl ax, bx
    END
