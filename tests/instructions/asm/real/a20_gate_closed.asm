; With A20 masked, addresses of the second megabyte are those of the first (SDM Vol. 3, 9.7.2 and
; 21.1.1): FFFF:0510 is 500H.
;! mode real
;! byte [0x500] = 0x77
;! byte [0x100500] = 0
;! bl = 0x77
;! bh = 0
    mov ax, 0xffff
    mov es, ax
    mov al, [es:0x510]      ; the translation is known before the gate moves
    mov al, 0
    out 0xf5, al
    mov byte [es:0x510], 0x77
    mov bl, [0x500]
    mov al, 1
    out 0xf5, al
    mov bh, [es:0x510]
    END
