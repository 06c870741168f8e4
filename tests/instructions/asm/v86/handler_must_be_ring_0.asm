; A gate to code that is conforming or of DPL above 0 is #GP(selector) (SDM Vol. 2, INT n).
;! mode v86 iopl=3
;! event #GP(CONFORMING) rip=one
;! event #GP(UCODE32 & ~3) rip=two
NEW_SEGMENT CONFORMING, 0, 0xfffff, 0x9e, 0xc
    mov word [IDT32 + 0x90 * 8 + 2], CONFORMING
    mov word [IDT32 + 0x91 * 8 + 2], UCODE32
    FAULTS one, int 0x90
    FAULTS two, int 0x91
    END
