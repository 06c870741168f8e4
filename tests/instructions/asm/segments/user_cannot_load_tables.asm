; LGDT, LIDT, LLDT, LTR, LMSW, CLTS, INVLPG, HLT, WBINVD, MOV CRn and DRn are #GP(0) at CPL 3; SGDT, SIDT,
; SLDT, STR and SMSW are not (SDM Vol. 3, 5.9).
;! mode prot32 cpl=3
;! event #GP(0) rip=i1
;! event #GP(0) rip=i2
;! event #GP(0) rip=i3
;! event #GP(0) rip=i4
;! event #GP(0) rip=i5
;! event #GP(0) rip=i6
;! event #GP(0) rip=i7
;! event #GP(0) rip=i8
;! event #GP(0) rip=i9
;! event #GP(0) rip=i10
;! event #GP(0) rip=i11
;! event #GP(0) rip=i12
;! event #GP(0) rip=i13
;! event #GP(0) rip=i14
;! ebx = TSS32_SEL
    FAULTS i1, lgdt [DATA]
    FAULTS i2, lidt [DATA]
    FAULTS i3, lldt ax
    FAULTS i4, ltr ax
    FAULTS i5, lmsw ax
    FAULTS i6, clts
    FAULTS i7, invlpg [0]
    FAULTS i8, hlt
    FAULTS i9, wbinvd
    FAULTS i10, mov eax, cr0
    FAULTS i11, mov cr3, eax
    FAULTS i12, mov eax, dr7
    FAULTS i13, rdmsr
    FAULTS i14, invd
    sgdt [DATA]
    sidt [DATA]
    sldt ax
    smsw eax
    str ebx
    END
