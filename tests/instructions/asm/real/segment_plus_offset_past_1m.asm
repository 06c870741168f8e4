; With A20 open, FFFF:0010 is 100000H and not 0 (SDM Vol. 3, 21.1.1).
;! mode real
;! byte [0x100000] = 0x5a
;! byte [0x10ffee] = 0xa5
;! al = 0x5a
    mov ax, 0xffff
    mov es, ax
    mov byte [es:0x10], 0x5a
    mov byte [es:0xfffe], 0xa5
    mov al, [es:0x10]
    END
