; An unmasked x87 exception is #MF at the next waiting x87 instruction, not at the one that raises it
; (SDM Vol. 1, 8.6 and 8.7; Vol. 3, 6.15, interrupt 16).
;! mode prot32
;! event #MF rip=fault
;! event #MF rip=fault2
;! fpu.status & 0x80ff = 0x8084
;! bx & 0x84 = 0x84
    fninit
    fldcw [control]
    fldz
    fld1
    fdiv st0, st1
    nop
    fnstsw ax               ; does not wait
    mov ebx, eax
    FAULTS fault, fld1
    FAULTS fault2, wait
    END
control: dw 0x37b           ; zero-divide is not masked
