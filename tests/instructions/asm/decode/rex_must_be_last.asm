; A REX prefix that does not come right before the opcode is ignored; of several the last counts
; (SDM Vol. 2, 2.2.1).
;! mode long
;! rbx = 0x11112222
;! rcx = 0x4444
;! rdx = 0x55555556
    mov rbx, 0x1111111111110000
    mov rcx, -1
    mov rdx, 0x1111111155555555
    db 0x48, 0x66, 0xbb, 0x22, 0x22     ; REX.W, 66: mov bx, 2222h
    mov ebx, 0x11112222
    db 0x48, 0x40, 0xb9, 0x44, 0x44, 0, 0   ; mov ecx, 4444h
    db 0x48, 0x3e, 0xff, 0xc2           ; inc edx
    END
