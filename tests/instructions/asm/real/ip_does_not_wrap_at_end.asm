; After a one-byte instruction at FFFFH the next fetch is at 10000H, past the limit: #GP there
; (SDM Vol. 3, 5.3).
;! mode real
;! ax = 1
;! event #GP rip&0xffff=0 cs=0x2000
    mov ax, 0x2000
    mov es, ax
    mov byte [es:0xffff], 0x40          ; inc ax
    xor ax, ax
    jmp 0x2000:0xffff
