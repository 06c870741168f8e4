; Code that changes itself in every round of a loop (SDM Vol. 3, 11.6).
;! mode prot32
;! ebx = 0 + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9
;! ecx = 0
    mov ecx, 10
    xor ebx, ebx
again:
    add ebx, 0
patch equ $ - 1
    inc byte [patch]
    loop again
    END
