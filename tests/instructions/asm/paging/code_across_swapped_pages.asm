; Two linear pages in a row may lie anywhere in memory (SDM Vol. 3, 4.2).
;! mode prot32 paging=32
;! ebx = 0x44332211
;! ecx = 0x88332211
    mov dword [PT32 + (FREE >> 12) * 4], FREE + 0x5000 | 7
    mov dword [PT32 + (FREE + 0x1000 >> 12) * 4], FREE + 0x3000 | 7
    mov eax, cr3
    mov cr3, eax
    mov dword [FREE + 0xffd], 0x2211bb
    mov dword [FREE + 0xffc], 0x2211bb90
    mov dword [FREE + 0x1000], 0xc34433
    mov eax, FREE + 0xffc
    call eax
    push ebx
    mov dword [PT32 + (FREE + 0x1000 >> 12) * 4], FREE + 0x7000 | 7
    invlpg [FREE + 0x1000]
    mov dword [FREE + 0x1000], 0xc38833
    mov eax, FREE + 0xffc
    call eax
    mov ecx, ebx
    pop ebx
    END
