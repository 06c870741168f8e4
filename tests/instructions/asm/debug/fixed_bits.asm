; DR6 and DR7 have bits that are always 0 or 1 (SDM Vol. 3, 18.2.3 and 18.2.4, figure 18-1).
;! mode prot32
;! ebx & 0xffff1ff0 = 0xffff0ff0
;! ecx & 0xdc00 = 0x400
;! esi & 0xffff1ff0 = 0xffff0ff0
;! edi & 0xdc00 = 0x400
    mov eax, 0xffffdfff
    mov dr6, eax
    mov ebx, dr6
    mov eax, 0xdd00
    mov dr7, eax
    mov ecx, dr7
    xor eax, eax
    mov dr6, eax
    mov esi, dr6
    mov dr7, eax
    mov edi, dr7
    END
