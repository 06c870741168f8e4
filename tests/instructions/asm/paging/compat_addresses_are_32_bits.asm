; In compatibility mode effective addresses are 32 bits wide and zero-extended (SDM Vol. 1, 3.3.7).
;! mode compat
;! ebx = 0x5555
    mov dword [FREE], 0x5555
    mov eax, FREE + 0x10
    mov ebx, [eax - 0x10 + 0xffffffff + 1]
    END
