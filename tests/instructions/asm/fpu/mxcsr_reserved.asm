; Reserved bits of MXCSR are #GP(0) in LDMXCSR and FXRSTOR, which then load nothing
; (SDM Vol. 2, LDMXCSR, FXRSTOR).
;! mode prot32
;! event #GP(0) rip=one
;! event #GP(0) rip=two
;! mxcsr = 0x1f80
;! dword [DATA + 0x21c] = 0xffff
    mov dword [DATA], 0x11f80
    FAULTS one, ldmxcsr [DATA]
    fxsave [DATA + 0x200]
    mov eax, [DATA + 0x200 + 28]        ; MXCSR_MASK
    mov dword [DATA + 0x200 + 24], 0xffff0000
    FAULTS two, fxrstor [DATA + 0x200]
    END
