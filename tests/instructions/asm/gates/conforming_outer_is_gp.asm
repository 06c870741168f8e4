; Conforming code with a DPL above CPL cannot be entered from inside (SDM Vol. 3, 5.8.1.2).
;! mode prot32
;! event #GP(CONFORMING) rip=one
;! event #GP(UCODE32 & ~3) rip=two
;! event #GP(CODE32) rip=three
NEW_SEGMENT CONFORMING, 0, 0xfffff, 0xfe, 0xc
    FAULTS one, jmp CONFORMING:one
    FAULTS two, jmp UCODE32:one
    FAULTS three, jmp CODE32 | 3:one
    END
