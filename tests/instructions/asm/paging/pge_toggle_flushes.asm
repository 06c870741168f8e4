; A change of CR4.PGE drops all translations, global ones too; MOV to CR3 those that are not global
; (SDM Vol. 3, 4.10.4.1).
;! mode prot32 paging=32 cr4=CR4_PGE
;! ebx = 0x22
;! ecx = 0x22
    mov dword [FREE + 0x2000], 0x22
    or dword [PT32 + (FREE >> 12) * 4], PTE_G
    mov eax, cr3
    mov cr3, eax
    mov al, [FREE]
    mov al, [FREE + 0x1000]
    mov dword [PT32 + (FREE >> 12) * 4], FREE + 0x2000 | 7 | PTE_G
    mov dword [PT32 + (FREE + 0x1000 >> 12) * 4], FREE + 0x2000 | 7
    mov eax, cr3
    mov cr3, eax
    mov ecx, [FREE + 0x1000]
    mov eax, cr4
    xor eax, CR4_PGE
    mov cr4, eax
    mov ebx, [FREE]
    END
