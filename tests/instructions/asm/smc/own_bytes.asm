; An instruction that overwrites itself has been fetched; its new form counts the next time
; (SDM Vol. 3, 11.6).
;! mode prot32
;! ebx = 1
;! ecx = 2
    mov ecx, 0
again:
    inc ecx
    mov word [itself], 0x05eb       ; jmp past it
itself equ $ - 9
    cmp ecx, 2
    jne again
    inc ebx
    END
