; Locked and exchanging stores to code (SDM Vol. 3, 11.6).
;! mode long
;! ebx = 3
    lock inc byte [abs patch + 1]
patch:
    mov bl, 1
    mov al, 3
    xchg al, [abs patch2 + 1]
patch2:
    mov bl, 0
    END
