; A store through another linear address of the same page; a serializing instruction comes in between
; (SDM Vol. 3, 8.1.3).
;! mode prot32 paging=32
;! ebx = 0x22
    mov dword [PT32 + (FREE >> 12) * 4], 0x8000 | 7
    mov eax, cr3
    mov cr3, eax
    mov edx, 2
again:
    mov ebx, 0x11
patch equ $ - 4
    mov byte [patch - 0x8000 + FREE], 0x22
    push edx
    xor eax, eax
    push ebx
    cpuid
    pop ebx
    pop edx
    dec edx
    jnz again
    END
