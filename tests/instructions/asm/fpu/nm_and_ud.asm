; x87 with EM or TS is #NM; WAIT is #NM only with MP and TS; MMX and SSE with EM are #UD, with TS #NM
; (SDM Vol. 3, 2.5, table 2-2 and 13.1.1).
;! mode prot32
;! event #NM rip=i1
;! event #NM rip=i2
;! event #NM rip=i3
;! event #NM rip=i4
;! event #NM rip=i5
;! event #UD rip=i6
;! event #UD rip=i7
;! event #NM rip=i8
    mov ebx, cr0
    mov eax, ebx
    or eax, CR0_TS
    mov cr0, eax
    wait                    ; MP is clear
    FAULTS i1, fninit
    FAULTS i2, paddb mm0, mm1
    FAULTS i3, addps xmm0, xmm1
    or eax, CR0_MP
    mov cr0, eax
    FAULTS i4, wait
    FAULTS i5, fxsave [DATA]
    mov eax, ebx
    or eax, CR0_EM
    mov cr0, eax
    FAULTS i6, paddb mm0, mm1
    FAULTS i7, addps xmm0, xmm1
    FAULTS i8, fnop
    END
