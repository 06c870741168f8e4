; A store to the very next instruction takes effect at once (SDM Vol. 3, 11.6; Vol. 3, 8.1.3 for one
; processor and the same linear address).
;! mode prot32
;! ebx = 2
    mov ebx, 1
    mov byte [patch], 0x43          ; inc ebx
patch:
    nop
    END
