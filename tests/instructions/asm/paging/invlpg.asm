; INVLPG drops the translation of one page, global ones too (SDM Vol. 3, 4.10.4.1).
;! mode prot32 paging=32 cr4=CR4_PGE
;! ebx = 0x22
;! ecx = 0x33
    mov dword [FREE + 0x1000], 0x22
    mov dword [FREE + 0x2000], 0x33
    or dword [PT32 + (FREE >> 12) * 4], PTE_G
    mov eax, cr3
    mov cr3, eax
    mov al, [FREE]
    mov dword [PT32 + (FREE >> 12) * 4], FREE + 0x1000 | 7 | PTE_G
    invlpg [FREE + 0xfff]
    mov ebx, [FREE]
    mov dword [PT32 + (FREE >> 12) * 4], FREE + 0x2000 | 7
    invlpg [FREE]
    mov ecx, [FREE]
    END
