; In real mode SI and DI are 16 bits wide with 16-bit addresses: a string that goes past FFFFH goes on at
; 0 of the same segment (SDM Vol. 1, 3.3.1 and 7.3.9; Vol. 3, 21.1.1).
;! mode real
;! esi = 1
;! ecx = 0
;! byte [DATA] = 0x11
;! byte [DATA + 1] = 0x22
    mov ax, 0x2000
    mov es, ax
    mov byte [0xffff], 0x11
    mov al, [0]             ; the first byte of the IVT
    mov [restore], al
    mov byte [0], 0x22
    mov esi, 0xffff
    mov edi, 0
    mov ecx, 2
    cld
    rep movsb
    mov al, [restore]
    mov [0], al
    END
restore: db 0
