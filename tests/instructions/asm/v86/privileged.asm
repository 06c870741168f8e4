; Privileged instructions are #GP(0); those that only protected mode has are #UD (SDM Vol. 3, 21.2.8).
;! mode v86 iopl=3
;! event #GP(0) rip=i1
;! event #GP(0) rip=i2
;! event #GP(0) rip=i3
;! event #GP(0) rip=i4
;! event #GP(0) rip=i5
;! event #UD rip=i6
;! event #UD rip=i7
;! event #UD rip=i8
;! event #UD rip=i9
;! event #UD rip=i10
;! ax & 1 = 1
    FAULTS i1, hlt
    FAULTS i2, lgdt [0]
    FAULTS i3, mov eax, cr0
    FAULTS i4, lmsw ax
    FAULTS i5, clts
    FAULTS i6, sldt ax
    FAULTS i7, str ax
    FAULTS i8, lar ax, bx
    FAULTS i9, arpl ax, bx
    FAULTS i10, ltr ax
    smsw ax
    END
