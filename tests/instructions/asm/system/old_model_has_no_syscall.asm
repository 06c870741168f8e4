; A processor without the feature has no SYSCALL, no EFER and no CMPXCHG16B (SDM Vol. 2, SYSCALL).
;! mode prot32
;! cpu pentium4
;! event #UD rip=one
;! event #GP(0) rip=two
;! event #UD rip=three
    FAULTS one, syscall
    mov ecx, MSR_EFER
    FAULTS two, rdmsr
    FAULTS three, {db 0x66, 0x0f, 0x38, 0x00, 0xc0}     ; pshufb
    END
