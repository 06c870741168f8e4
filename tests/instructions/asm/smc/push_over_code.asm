; Pushes are stores too (SDM Vol. 3, 11.6).
;! mode prot32
;! ebx = 4
    mov ebp, esp
    mov esp, patch + 4
    push dword 0x43434343
patch:
    times 4 nop
    mov esp, ebp
    END
