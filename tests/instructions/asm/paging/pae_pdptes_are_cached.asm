; The PDPTEs are loaded by MOV to CR3; a change in memory counts only then (SDM Vol. 3, 4.4.1).
;! mode prot32 paging=pae
;! event #PF(0) rip=two cr2=0x40000000
;! ebx = 0x1234
    mov dword [FREE], 0x1234
    mov eax, cr3
    mov dword [PDPT_PAE + 8], PD64 | 1
    mov cr3, eax
    mov dword [PDPT_PAE + 8], 0
    invlpg [0x40000000 + FREE]
    mov ebx, [0x40000000 + FREE]
    mov cr3, eax
    FAULTS two, mov ecx, [0x40000000]
    END
