; An unmasked SSE exception is #XM with CR4.OSXMMEXCPT, #UD without; MXCSR has the flag, the destination is
; unchanged (SDM Vol. 1, 11.5; Vol. 3, 6.15, interrupt 19).
;! mode prot32
;! event #XM rip=one
;! event #UD rip=two
;! mxcsr & 4 = 4
;! dword [DATA] = 0x3f800000
    mov dword [DATA], 0x3f800000
    movss xmm0, [DATA]
    xorps xmm1, xmm1
    ldmxcsr [control]
    FAULTS one, divss xmm0, xmm1
    mov eax, cr4
    and eax, ~CR4_OSXMMEXCPT
    mov cr4, eax
    FAULTS two, divss xmm0, xmm1
    mov dword [DATA], 0
    movss [DATA], xmm0
    END
control: dd 0x1d80          ; zero-divide is not masked
