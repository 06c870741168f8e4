; A string instruction that overwrites itself goes on to its end when nothing interrupts it
; (SDM Vol. 2, REP; Vol. 3, 11.6).
;! mode prot32
;! ecx = 0
;! byte [patch] = 0x90
;! byte [patch + 1] = 0x90
;! ebx = 1
    mov edi, patch
    mov al, 0x90
    mov ecx, 2
    mov ebx, 1
    cld
patch:
    rep stosb
    END
