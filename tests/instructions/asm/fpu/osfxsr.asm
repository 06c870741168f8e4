; Without CR4.OSFXSR SSE instructions are #UD, but not the MMX forms (SDM Vol. 3, 2.5 and 13.1).
;! mode prot32
;! event #UD rip=i1
;! event #UD rip=i2
;! event #UD rip=i3
    mov eax, cr4
    and eax, ~CR4_OSFXSR
    mov cr4, eax
    FAULTS i1, addps xmm0, xmm1
    FAULTS i2, paddb xmm0, xmm1
    FAULTS i3, ldmxcsr [DATA]
    paddb mm0, mm1
    END
