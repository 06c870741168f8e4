; 32-bit code cannot see the upper halves of the registers; interrupts from it save RSP cut to what SS says
; (SDM Vol. 1, 3.4.1.1).
;! mode compat
;! event 0x90 rip=one cs=CODE32
;! ebx = 0x1001
    RETURN_FROM 0x90
    mov ebx, 0x1000
    int 0x90
one:
    inc ebx
    END
