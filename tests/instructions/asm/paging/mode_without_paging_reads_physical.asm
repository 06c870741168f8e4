; With paging off linear addresses are physical, whatever the tables say (SDM Vol. 3, 4.1).
;! mode prot32 paging=32
;! ebx = 0x1111
;! ecx = 0x2222
    mov dword [FREE], 0x1111
    mov dword [FREE + 0x1000], 0x2222
    mov dword [PT32 + (FREE >> 12) * 4], FREE + 0x1000 | 7
    mov eax, cr3
    mov cr3, eax
    mov ecx, [FREE]
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    jmp next
next:
    mov ebx, [FREE]
    END
