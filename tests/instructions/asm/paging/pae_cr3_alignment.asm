; In PAE paging CR3 has 32-byte alignment: bits 11:5 are address (SDM Vol. 3, table 4-7).
;! mode prot32 paging=pae
;! ebx = 0x77
;! cr3 = PDPT_PAE + 0x20
    mov dword [FREE], 0x77
    mov dword [PDPT_PAE + 0x20], PD64 | 1
    mov dword [PDPT_PAE + 0x28], PD64 | 1
    mov eax, PDPT_PAE + 0x20
    mov cr3, eax
    mov ebx, [0x40000000 + FREE]
    END
