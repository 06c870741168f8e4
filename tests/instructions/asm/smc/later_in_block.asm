; A store to an instruction later in the same run of code (SDM Vol. 3, 11.6).
;! mode long
;! ebx = 0x22
;! ecx = 3
    xor ecx, ecx
    inc ecx
    mov dword [abs patch + 1], 0x22
    inc ecx
    inc ecx
patch:
    mov ebx, 0x11
    END
