; CR8 holds off vectors of its class and below (SDM Vol. 3, 10.8.3 and 10.8.6).
;! mode long flags=IF
;! event 0x52 rip=one
;! event 0x41 rip=two
;! cr8 = 3
    RETURN_FROM 0x41
    RETURN_FROM 0x52
    mov ebx, 4
    mov cr8, rbx
    INTR_AFTER 0x41, 0
    nop
    INTR_AFTER 0x52, 0
one:
    nop
    mov ebx, 3
    mov cr8, rbx
two:
    END
