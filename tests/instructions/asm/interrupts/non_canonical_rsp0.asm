; An RSP0 that is not canonical is #SS when the frame is pushed: here with EXT clear for INT n
; (SDM Vol. 2, INT n).
;! mode long cpl=3
;! event #SS(0) rip=fault
; #SS itself has a stack of the IST.
    SET_GATE64 12, STUB64 + 12*16, CODE64, 0x8e, 1
    mov rax, 0x800000000000
    mov [abs TSS64 + 4], rax
    FAULTS fault, int 0x90
    mov eax, STACK_INNER
    END
