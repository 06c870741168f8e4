; MOV to SS and POP SS hold interrupts off for one instruction, so that SS:ESP can be loaded
; (SDM Vol. 3, 6.8.3).
;! mode prot32 flags=IF
;! event 0x40 rip=one
;! event 0x41 rip=two
;! ebx = 1
    RETURN_FROM 0x40
    RETURN_FROM 0x41
    mov edx, DATA32
    INTR_AFTER 0x40, 0
    mov ss, dx
    ; Taken at once: the line was up before the MOV.
one equ $ - 2
    INTR_AFTER 0x41, 1
    mov ss, dx
    inc ebx
two:
    END
