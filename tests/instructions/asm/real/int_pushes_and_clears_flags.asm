; INT in real mode pushes FLAGS, CS and IP, and clears IF, TF and AC (SDM Vol. 2, INT; Vol. 3, 21.1.4).
;! mode real
;! bx & (IF|TF|CF|2) = CF|2
;! cx & (IF|CF|2) = IF|CF|2
;! word [0x7ffa] = back
;! word [0x7ffc] = 0
;! sp = 0x8000
    SET_IVT 0x21, handler
    stc
    sti
    int 0x21
back:
    END
handler:
    pushf
    pop bx
    push bp
    mov bp, sp
    mov cx, [bp + 6]
    pop bp
    iret
