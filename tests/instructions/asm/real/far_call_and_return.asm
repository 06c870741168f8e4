; CALL far pushes CS and IP; RET far with an immediate releases parameters (SDM Vol. 2, CALL, RET).
;! mode real
;! sp = 0x8000
;! ax = 0x22
;! word [0x7ff8] = back
;! word [0x7ffa] = 0
    push word 0x11
    push word 0x22
    call 0x80:callee - 0x800
back:
    END
callee:
    mov bp, sp
    mov ax, [bp + 4]
    retf 4
