; ARPL raises the destination's RPL to the source's and sets ZF if it had to (SDM Vol. 2, ARPL).
;! mode prot32 cpl=3
;! ax = 0x1237
;! bx = 0x1237
;! edx = 0b10
    mov ax, 0x1234
    mov cx, 3
    arpl ax, cx
    setz dl
    mov bx, 0x1237
    mov cx, 1
    arpl bx, cx
    setz dh
    shl dl, 1
    or dl, dh
    xor dh, dh
    END
