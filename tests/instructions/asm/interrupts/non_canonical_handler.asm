; A gate's offset that is not canonical is #GP(0) (SDM Vol. 2, INT n).
;! mode long
;! event #GP(0) rip=fault
    SET_GATE64 0x50, 0, CODE64, 0x8e, 0
    mov dword [abs IDT64 + 0x50*16 + 8], 0x8000
    FAULTS fault, int 0x50
    END
