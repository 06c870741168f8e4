; In 64-bit mode near branches ignore 66H on Intel processors (SDM Vol. 2, JMP, CALL).
;! mode long
;! ebx = 1
;! rsp = 0x7ff8
;! qword [0x7ff8] = back
    db 0x66
    call there
back:
    nop
there:
    inc ebx
    END
