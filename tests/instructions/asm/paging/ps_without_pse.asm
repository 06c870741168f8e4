; Without CR4.PSE the PS bit of a PDE is ignored (SDM Vol. 3, table 4-5).
;! mode prot32 paging=32
;! ebx = 0x5555
    mov dword [PD32 + 4], PT32 | 0x87
    mov dword [FREE], 0x5555
    mov ebx, [0x400000 + FREE]
    END
